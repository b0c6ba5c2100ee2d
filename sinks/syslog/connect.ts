import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { because, type SinkContext, tlsOptions, Unavailable } from '../../src/sink.ts';
import type { Address } from './options.ts';

const KEEP_ALIVE_MS = 30_000;

/** A connection that is open, its handshake done. Throws Unavailable within `context.timeoutMs`, or the signal's reason. */
export async function connect(
  address: Address,
  context: Pick<SinkContext, 'tls' | 'timeoutMs'>,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  const socket = begin(address, context);
  try {
    await established(socket, address, AbortSignal.any([signal, AbortSignal.timeout(context.timeoutMs)]));
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    return socket;
  } catch (error) {
    socket.destroy();
    if (signal.aborted) throw signal.reason;
    throw new Unavailable(`${nameOf(address)} cannot be reached: ${trouble(error, context.timeoutMs)}`, {
      reopen: true,
      cause: error,
    });
  }
}

export function nameOf({ protocol, host, port }: Address): string {
  return `${protocol}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

function begin(address: Address, context: Pick<SinkContext, 'tls'>): Socket {
  const { protocol, host, port } = address;
  if (protocol !== 'tls') return connectTcp({ host, port, noDelay: true });
  const servername = isIP(host) ? {} : { servername: host };
  const options: ConnectionOptions = { host, port, ...servername, ...certificates(address, context) };
  return connectTls(options).setNoDelay(true);
}

/** Certificates are read for every connection, so that renewed ones are taken up. */
function certificates(address: Address, context: Pick<SinkContext, 'tls'>): ConnectionOptions {
  try {
    return tlsOptions(context.tls);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new Unavailable(`${nameOf(address)}: a certificate file cannot be read: ${detail}`, { cause: error });
  }
}

function established(socket: Socket, address: Address, limit: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      limit.removeEventListener('abort', aborted);
      socket.off('error', failed).off('close', closed);
      // An error between this moment and the next listener must not end the process.
      socket.on('error', () => undefined);
      then();
    };
    const aborted = () => settle(() => reject(limit.reason));
    const failed = (error: Error) => settle(() => reject(error));
    const closed = () => settle(() => reject(new Error('the connection was closed during the handshake')));
    limit.addEventListener('abort', aborted);
    socket.on('error', failed).on('close', closed);
    socket.once(address.protocol === 'tls' ? 'secureConnect' : 'connect', () => settle(resolve));
  });
}

/** What a socket's error says, with what to do about it where that is known. */
export function trouble(error: unknown, timeoutMs: number): string {
  return error instanceof DOMException && error.name === 'TimeoutError'
    ? `no answer within ${timeoutMs} ms`
    : because(error);
}
