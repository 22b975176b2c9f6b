// What an IP address reaches: the world, this machine, a private network, or nothing that anybody should be sent to. Pure.
// Must never call an address public that it can't read, or that stands for another one that is not.
import { BlockList, isIP, isIPv4 } from 'node:net';

/** special: link-local (cloud metadata lives there), multicast, unspecified, reserved: nothing to send to, whoever allows it. */
export type Reach = 'public' | 'loopback' | 'private' | 'special';

/**
 * IANA's registries of special-purpose addresses (RFC 6890 and what updates it), with multicast (RFC 5771). Sources stand beside
 * the rows; the first that matches counts. What no row names is public.
 */
const IPV4: readonly (readonly [subnet: string, bits: number, reach: Reach])[] = [
  ['127.0.0.0', 8, 'loopback'], // RFC 1122
  ['10.0.0.0', 8, 'private'], // RFC 1918
  ['172.16.0.0', 12, 'private'],
  ['192.168.0.0', 16, 'private'],
  ['100.64.0.0', 10, 'private'], // shared address space, RFC 6598
  ['0.0.0.0', 8, 'special'], // "this network", RFC 791: Linux connects 0.0.0.0 to itself
  ['169.254.0.0', 16, 'special'], // link-local, RFC 3927
  ['192.0.0.0', 24, 'special'], // protocol assignments, RFC 6890
  ['192.0.2.0', 24, 'special'], // documentation, RFC 5737
  ['198.51.100.0', 24, 'special'],
  ['203.0.113.0', 24, 'special'],
  ['192.88.99.0', 24, 'special'], // 6to4 relays, RFC 7526
  ['198.18.0.0', 15, 'special'], // benchmarks, RFC 2544
  ['224.0.0.0', 3, 'special'], // multicast, RFC 5771; reserved, RFC 1112
];

/** Only 2000::/3 is given out (RFC 4291, 2.4): outside of it all is special, but for these. */
const IPV6: readonly (readonly [subnet: string, bits: number, reach: Reach])[] = [
  ['::1', 128, 'loopback'],
  ['fc00::', 7, 'private'], // unique local, RFC 4193
  ['fec0::', 10, 'private'], // site-local, RFC 3879
  ['64:ff9b:1::', 48, 'private'], // a network's own NAT64, RFC 8215
  ['2001::', 23, 'special'], // protocol assignments with Teredo and ORCHID, RFC 2928
  ['2001:db8::', 32, 'special'], // documentation, RFC 3849
  ['3fff::', 20, 'special'], // documentation, RFC 9637
  ['2000::', 3, 'public'],
  ['::', 0, 'special'],
];

/** IPv6 addresses that stand for an IPv4 address, and in which of their bytes it lies. */
const EMBEDDED: readonly (readonly [subnet: string, bits: number, at: number])[] = [
  ['::ffff:0:0', 96, 12], // mapped, RFC 4291, 2.5.5.2
  ['::ffff:0:0:0', 96, 12], // translated, RFC 2765
  ['64:ff9b::', 96, 12], // NAT64, RFC 6052
  ['2002::', 16, 2], // 6to4, RFC 3056
];

const lists = <T>(
  rows: readonly (readonly [string, number, T])[],
  family: 'ipv4' | 'ipv6',
): readonly (readonly [BlockList, T])[] =>
  rows.map(([subnet, bits, value]) => {
    const list = new BlockList();
    list.addSubnet(subnet, bits, family);
    return [list, value];
  });
const IPV4_LISTS = lists(IPV4, 'ipv4');
const IPV6_LISTS = lists(IPV6, 'ipv6');
const EMBEDDED_LISTS = lists(EMBEDDED, 'ipv6');

/** Of an address as text, without brackets; what is none, or names a zone (fe80::1%eth0), is special. */
export function reachOf(address: string): Reach {
  if (isIPv4(address)) return find(IPV4_LISTS, address, 'ipv4') ?? 'public';
  if (isIP(address) !== 6 || address.includes('%')) return 'special';
  const at = find(EMBEDDED_LISTS, address, 'ipv6');
  if (at !== undefined)
    return reachOf(
      bytesOf(address)
        .slice(at, at + 4)
        .join('.'),
    );
  return find(IPV6_LISTS, address, 'ipv6') ?? 'special';
}

/**
 * What one client may have all of, where tries are counted: an IPv4 address; of IPv6 the /64 (RFC 4291, 2.5.1), in which it picks addresses
 * at will. What is no address stays as it is.
 */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const bytes = bytesOf(address.replace(/%.*$/, ''));
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? bytes.slice(12).join('.') : `${Buffer.from(bytes.slice(0, 8)).toString('hex')}/64`;
}

/** A URL's host as an address, however it was spelled (2130706433, 0x7f.1, [::ffff:7f00:1]); null: it is a name. */
export function addressIn(url: URL): string | null {
  // The URL parser has read every spelling of IPv4 that a resolver would take (WHATWG URL, host parsing).
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(host) === 0 ? null : host;
}

/** A name that every resolver takes for this machine (RFC 6761, 6.3). */
export function isLocalName(host: string): boolean {
  return /(^|\.)localhost\.?$/i.test(host);
}

function find<T>(rows: readonly (readonly [BlockList, T])[], address: string, family: 'ipv4' | 'ipv6'): T | undefined {
  return rows.find(([list]) => list.check(address, family))?.[1];
}

/** The 16 bytes of a valid IPv6 address. */
function bytesOf(address: string): number[] {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const [a = 0, b = 0, c = 0, d = 0] = (dotted ?? []).slice(1).map(Number);
  const text = dotted
    ? `${address.slice(0, dotted.index)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
    : address;
  const [head = '', tail] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const before = groups(head);
  const after = groups(tail ?? '');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].flatMap((group) => {
    const word = Number.parseInt(group, 16);
    return [word >> 8, word & 0xff];
  });
}
