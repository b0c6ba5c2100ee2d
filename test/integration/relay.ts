/** A TCP relay in front of a real server: what a network does to it, which the server itself cannot be made to do. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Relay {
  readonly port: number;
  /** The server cannot be reached: connections are refused, those that there are are reset. */
  down(on: boolean): Promise<void>;
  /** What the client sends arrives. Nothing comes back, and the connection ends once the server has answered. */
  loseAnswer(on: boolean): void;
  /** Nothing passes in either direction; connections stay open. What was held back passes when it is set back. */
  slow(on: boolean): void;
  close(): Promise<void>;
}

interface State {
  lost: boolean;
  slow: boolean;
}

/** Bytes pass as they are, so TLS is between the client and the server. `host`: any address of loopback. */
export async function startRelay(to: number, host = '127.0.0.1'): Promise<Relay> {
  const state: State = { lost: false, slow: false };
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true });
    const pair = [client, upstream] as const;
    pairs.add(pair);
    join(pair, state);
    for (const socket of pair) socket.once('close', () => pairs.delete(pair));
  });
  const listen = async (port: number) => {
    server.listen(port, host);
    await once(server, 'listening');
  };
  const stop = async () => {
    if (!server.listening) return;
    server.close();
    for (const [client, upstream] of pairs) {
      // A socket whose writing has ended cannot be reset: Node would leave it open for ever.
      if (client.writableEnded) client.destroy();
      else client.resetAndDestroy();
      upstream.destroy();
    }
    await once(server, 'close');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    down: (on) => (on ? stop() : listen(port)),
    loseAnswer: (on) => {
      state.lost = on;
    },
    slow: (on) => {
      state.slow = on;
      for (const pair of pairs) for (const socket of pair) on ? socket.pause() : socket.resume();
    },
    close: stop,
  };
}

function join([client, upstream]: readonly [Socket, Socket], state: State): void {
  const flow = (from: Socket, to: Socket, lost: () => boolean) => {
    from.on('data', (data) => {
      if (lost()) {
        client.destroy();
        upstream.destroy();
      } else if (!to.write(data)) {
        from.pause();
        to.once('drain', () => state.slow || from.resume());
      }
    });
    from.once('end', () => to.end());
    from.on('error', () => to.destroy());
    from.once('close', () => to.destroy());
    if (state.slow) from.pause();
  };
  flow(client, upstream, () => false);
  flow(upstream, client, () => state.lost);
}
