// A client's connection as it is accepted, made to read all its bytes into one buffer for all connections: Node else takes 64 KiB for each read
// and gives most of it back, which is a tenth of a short query's CPU. It must never lose or reorder a byte, nor keep one that is another's.
import { Socket, type SocketConstructorOpts } from 'node:net';

const READ_BYTES = 64 * 1024;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

interface Accepted {
  _handle?: { readonly readStop?: unknown } | null;
}

/**
 * The same connection as another Socket; `accepted`, which must be paused (`pauseOnConnect`), is spent. Where Node has no handle that can be taken
 * over, `accepted` itself: it reads as any.
 */
export const readingShared = (accepted: Socket): Socket => {
  const owner = accepted as Socket & Accepted;
  // oxlint-disable-next-line no-underscore-dangle -- Node's name
  const handle = owner._handle;
  if (typeof handle?.readStop !== 'function') return accepted;
  // oxlint-disable-next-line no-underscore-dangle -- Node's name
  owner._handle = null;
  accepted.destroy();
  const onread = { buffer: shared, callback: (bytes: number): boolean => take(socket, bytes) };
  // net.connect and net.Server make their own in this way (`handle`); `onread` is documented.
  const socket = new Socket({ handle, onread } as SocketConstructorOpts);
  return socket;
};

/** False: read no more for now. */
const take = (socket: Socket, bytes: number): boolean => {
  // Of its own: a slice would keep a slab, or what others are about to read.
  const chunk = Buffer.allocUnsafeSlow(bytes);
  shared.copy(chunk, 0, 0, bytes);
  // Nobody listens yet, or something waits to be heard before it: as any stream.
  if (socket.readableFlowing !== true || socket.readableLength > 0 || socket.listenerCount('data') === 0)
    return socket.push(chunk);
  socket.emit('data', chunk);
  return true;
};
