import { readFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';

export interface SocketAddress {
  readonly family: 'IPv4' | 'IPv6';
  readonly localPort: number;
  readonly remotePort: number;
}

/**
 * established: both sides still send. `unacknowledged`: bytes that the peer's TCP has not confirmed; undefined where this
 * system does not tell.
 */
export interface SendQueue {
  readonly established: boolean;
  readonly unacknowledged: number | undefined;
}

/** Looks at a socket as the kernel sees it now. Never rejects. */
export type LookAtSendQueue = (address: SocketAddress) => Promise<SendQueue>;

const UNKNOWN: SendQueue = { established: true, unacknowledged: undefined };

/** Linux: proc(5), /proc/net/tcp and tcp6. A whole table is read (some ms), so one look serves many deliveries. */
export async function lookAtSendQueue(address: SocketAddress): Promise<SendQueue> {
  const table = address.family === 'IPv6' ? '/proc/self/net/tcp6' : '/proc/self/net/tcp';
  try {
    return findSendQueue(await readFile(table, 'latin1'), address);
  } catch {
    // What arrived while this process was busy is worked off first: the end of the connection may be among it.
    await nextTurn();
    return UNKNOWN;
  }
}

const ESTABLISHED = '01';

/** The row of a socket: `sl local_address rem_address st tx_queue:rx_queue …`, all hexadecimal. */
export function findSendQueue(table: string, address: SocketAddress): SendQueue {
  const local = `:${hexadecimalPort(address.localPort)}`;
  const remote = `:${hexadecimalPort(address.remotePort)}`;
  const rows = table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, from = '', to = '']) => from.endsWith(local) && to.endsWith(remote));
  const queues = rows.map(([, , , , queue = '']) => Number.parseInt(queue.slice(0, queue.indexOf(':')), 16));
  return {
    established: rows.length > 0 && rows.every(([, , , state]) => state === ESTABLISHED),
    unacknowledged: Math.max(0, ...queues),
  };
}

function hexadecimalPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
