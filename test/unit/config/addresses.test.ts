// Which addresses are public: every other one, in every spelling, must be told apart from these.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressIn, isLocalName, networkOf, reachOf } from '../../../src/config/addresses.ts';

describe('addresses', () => {
  it.each([
    ['8.8.8.8', 'public'],
    ['172.15.255.255', 'public'],
    ['172.32.0.0', 'public'],
    ['100.63.255.255', 'public'],
    ['100.128.0.0', 'public'],
    ['223.255.255.255', 'public'],
    ['2606:4700:4700::1111', 'public'],
    ['::ffff:8.8.8.8', 'public'],
    ['64:ff9b::8.8.8.8', 'public'],
    ['2002:808:808::1', 'public'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::1', 'loopback'],
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::ffff:0:127.0.0.1', 'loopback'],
    ['64:ff9b::127.0.0.1', 'loopback'],
    ['2002:7f00:1::', 'loopback'],
    ['10.0.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fc00::1', 'private'],
    ['fdff:ffff::1', 'private'],
    ['fec0::1', 'private'],
    ['64:ff9b:1::8.8.8.8', 'private'],
    ['::ffff:10.1.2.3', 'private'],
    ['2002:c0a8:101::', 'private'],
    ['0.0.0.0', 'special'],
    ['0.1.2.3', 'special'],
    ['169.254.169.254', 'special'],
    ['::ffff:169.254.169.254', 'special'],
    ['::ffff:a9fe:a9fe', 'special'],
    ['64:ff9b::a9fe:a9fe', 'special'],
    ['2002:a9fe:a9fe::', 'special'],
    ['192.0.0.170', 'special'],
    ['192.0.2.1', 'special'],
    ['198.18.0.1', 'special'],
    ['198.51.100.1', 'special'],
    ['203.0.113.1', 'special'],
    ['224.0.0.1', 'special'],
    ['239.255.255.250', 'special'],
    ['240.0.0.1', 'special'],
    ['255.255.255.255', 'special'],
    ['::', 'special'],
    ['::127.0.0.1', 'special'],
    ['fe80::1', 'special'],
    ['fe80::1%eth0', 'special'],
    ['febf::1', 'special'],
    ['ff02::1', 'special'],
    ['100::1', 'special'],
    ['2001::1', 'special'],
    ['2001:db8::1', 'special'],
    ['3fff::1', 'special'],
    ['4000::1', 'special'],
    ['', 'special'],
    ['localhost', 'special'],
    ['1.2.3', 'special'],
    ['1.2.3.4 ', 'special'],
  ])('%s is %s', (address, reach) => {
    expect(reachOf(address)).toBe(reach);
  });

  it('an IPv4 address means the same inside of an IPv6 one', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
        const words = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
        const forms = [
          `::ffff:${address}`,
          `::ffff:${words}`,
          `64:ff9b::${address}`,
          `2002:${words}::`,
          `2002:${words}:1::1`,
        ];
        expect(forms.map(reachOf)).toEqual(forms.map(() => reachOf(address)));
      }),
    );
  });
});

describe('hosts of URLs', () => {
  it.each([
    ['http://2130706433/', '127.0.0.1'],
    ['http://0x7f.1/', '127.0.0.1'],
    ['http://0x7f000001/', '127.0.0.1'],
    ['http://017700000001/', '127.0.0.1'],
    ['http://127.1/', '127.0.0.1'],
    ['http://127.0.0.1./', '127.0.0.1'],
    ['http://127。0。0。1/', '127.0.0.1'],
    ['http://１２７.0.0.1/', '127.0.0.1'],
    ['http://%31%32%37.0.0.1/', '127.0.0.1'],
    ['http://0/', '0.0.0.0'],
    ['http://2852039166/', '169.254.169.254'],
    ['http://0251.0376.0251.0376/', '169.254.169.254'],
    ['http://[::ffff:127.0.0.1]/', '::ffff:7f00:1'],
    ['http://[0:0:0:0:0:ffff:7f00:1]/', '::ffff:7f00:1'],
    ['http://[::]/', '::'],
    ['http://user@10.0.0.1:80@8.8.8.8/', '8.8.8.8'],
    ['http://8.8.8.8#@10.0.0.1/', '8.8.8.8'],
    ['http://8.8.8.8\\@10.0.0.1/', '8.8.8.8'],
    ['http://example.com/', null],
    ['http://127.0.0.1.example.com/', null],
  ])('%s is %s', (url, address) => {
    expect(addressIn(new URL(url))).toBe(address);
  });

  it('one client is one IPv4 address, however it is written, and one /64 of IPv6', () => {
    expect(['203.0.113.7', '::ffff:203.0.113.7', '::ffff:cb00:7107'].map(networkOf)).toEqual(
      Array.from({ length: 3 }, () => '203.0.113.7'),
    );
    const own = [
      '2001:db8:1:2::1',
      '2001:db8:1:2:ffff:ffff:ffff:ffff',
      '2001:0db8:0001:0002::',
      '2001:db8:1:2::9%eth0',
    ];
    expect(new Set(own.map(networkOf)).size).toBe(1);
    expect(networkOf('2001:db8:1:3::1')).not.toBe(networkOf('2001:db8:1:2::1'));
    expect(['', 'unknown'].map(networkOf)).toEqual(['', 'unknown']);
  });

  it('knows the names of this machine', () => {
    expect(['localhost', 'LOCALHOST.', 'a.localhost'].map(isLocalName)).toEqual([true, true, true]);
    expect(['localhost.example', 'notlocalhost', 'a.b'].map(isLocalName)).toEqual([false, false, false]);
  });
});
