import assert from 'node:assert/strict';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '../../sinks/syslog/connection.ts';
import { findSendQueue, type LookAtSendQueue, lookAtSendQueue } from '../../sinks/syslog/send-queue.ts';
import { failure, NEVER, until } from './syslog-fixtures.ts';

const ONLY_LINUX = process.platform === 'linux' ? false : 'only Linux shows its send queues';

/** A client and its server's side of one connection, which reads only when it is told to. */
async function pair(context: TestContext, host = '127.0.0.1') {
  const accepted = Promise.withResolvers<Socket>();
  const server: Server = createServer({ pauseOnConnect: true }, accepted.resolve);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as { port: number };
  const client = connect(port, host);
  await new Promise<void>((resolve) => client.once('connect', resolve));
  const peer = await accepted.promise;
  peer.on('error', () => undefined);
  context.after(() => [client.destroy(), peer.destroy(), server.close()]);
  return { client, peer, port };
}

function addressOf(socket: Socket) {
  const { localPort = 0, remotePort = 0, remoteFamily } = socket;
  return { family: remoteFamily === 'IPv6' ? 'IPv6' : 'IPv4', localPort, remotePort } as const;
}

describe('the send queue', () => {
  const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:D431 0100007F:1982 01 0001F2A0:00000000 01:00000014 00000000     0        0 2 2 0 20 4 30 10 -1
   2: 0100007F:1982 0100007F:D431 01 00000000:0000BEEF 00:00000000 00000000     0        0 3 2 0 20 4 30 10 -1
   3: 0100007F:D432 0100007F:1982 08 00000000:00000001 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1`;
  const find = (localPort: number) => findSendQueue(TABLE, { family: 'IPv4', localPort, remotePort: 0x1982 });

  test('is the row with both ports, in this direction', () => {
    assert.deepEqual(find(0xd431), { established: true, unacknowledged: 0x1f2a0 });
  });
  test('a peer that has closed its side is not established', () => {
    assert.deepEqual(find(0xd432), { established: false, unacknowledged: 0 });
  });
  test('a socket that is not there is not established', () => {
    assert.deepEqual(find(0xd433), { established: false, unacknowledged: 0 });
  });

  for (const host of ['127.0.0.1', '::1']) {
    test(`of a real socket (${host}) fills while the peer reads nothing, and empties when it does`, {
      skip: ONLY_LINUX,
    }, async (context) => {
      const { client, peer } = await pair(context, host);
      assert.deepEqual(await lookAtSendQueue(addressOf(client)), { established: true, unacknowledged: 0 });
      while (client.writableLength < 1_000_000) client.write(Buffer.alloc(200_000));
      await sleep(100);
      const full = await lookAtSendQueue(addressOf(client));
      assert.ok(full.established && (full.unacknowledged ?? 0) > 0);
      peer.resume();
      for (let n = 0; n < 500 && (await lookAtSendQueue(addressOf(client))).unacknowledged !== 0; n += 1)
        await sleep(10);
      assert.equal((await lookAtSendQueue(addressOf(client))).unacknowledged, 0);
      peer.end();
      for (let n = 0; n < 500 && (await lookAtSendQueue(addressOf(client))).established; n += 1) await sleep(10);
      assert.equal((await lookAtSendQueue(addressOf(client))).established, false);
    });
  }
});

describe('confirmation', { concurrency: 4 }, () => {
  /** A connection whose kernel says what the test sets. */
  async function connected(context: TestContext, timeoutMs = 20_000) {
    const { client, peer } = await pair(context);
    peer.resume();
    const queue = { established: true, unacknowledged: 0 as number | undefined, looks: 0 };
    const look: LookAtSendQueue = async () => ({ ...queue, looks: ++queue.looks });
    const connection = new Connection(client, { name: 'tcp://test:1', confirmAfterMs: 40, timeoutMs, look });
    const confirmed: string[] = [];
    const send = (name: string, bytes: number) =>
      connection.send([Buffer.alloc(bytes)], NEVER).then(() => confirmed.push(name));
    return { connection, peer, queue, confirmed, send };
  }

  test('what lies further back than the unacknowledged bytes has arrived', async (context) => {
    const { queue, confirmed, send } = await connected(context);
    queue.unacknowledged = 1501;
    const sent = [send('first', 1000), send('second', 1000), send('third', 500)];
    await until('five looks', () => queue.looks >= 5);
    assert.deepEqual(confirmed, []);
    queue.unacknowledged = 1500;
    await sent[0];
    assert.deepEqual(confirmed, ['first']);
    queue.unacknowledged = 499;
    await sent[1];
    assert.deepEqual(confirmed, ['first', 'second']);
    queue.unacknowledged = 0;
    await Promise.all(sent);
    assert.deepEqual(confirmed, ['first', 'second', 'third']);
  });

  test('one look serves all that are due', async (context) => {
    const { queue, send } = await connected(context);
    await Promise.all(Array.from({ length: 50 }, (_, n) => send(`${n}`, 10)));
    assert.ok(queue.looks <= 10, `${queue.looks} looks`);
  });

  test('a connection that the kernel no longer calls established confirms nothing', async (context) => {
    const { queue, confirmed, send, peer } = await connected(context);
    queue.established = false;
    const sent = failure(send('never', 10));
    await until('three looks', () => queue.looks >= 3);
    assert.deepEqual(confirmed, []);
    peer.end();
    assert.match((await sent).message, /it closed the connection; a delivery was not confirmed/);
  });

  test('an unknown queue counts as empty', async (context) => {
    const { queue, confirmed, send } = await connected(context);
    queue.unacknowledged = undefined;
    await send('only', 10);
    assert.deepEqual(confirmed, ['only']);
  });

  test('no progress for the timeout ends it; progress keeps it', async (context) => {
    const { connection, queue, send } = await connected(context, 1000);
    queue.unacknowledged = 1000;
    const sent = failure(send('stuck', 1000));
    for (let n = 0; n < 15; n += 1) {
      await sleep(100);
      queue.unacknowledged -= 1;
    }
    assert.equal(connection.ended, undefined);
    assert.match((await sent).message, /taken nothing for 1000 ms/);
  });

  test('the end of a connection is seen behind whatever the peer said', async (context) => {
    const { connection, peer } = await connected(context);
    peer.end(Buffer.alloc(1_000_000));
    await until('the end is seen', () => connection.ended !== undefined);
  });

  test('an encoder that fails concerns its own delivery only', async (context) => {
    const { connection, confirmed, send } = await connected(context);
    const broken = (function* () {
      yield Buffer.alloc(10);
      throw new Error('a bug');
    })();
    const [error] = await Promise.all([failure(connection.send(broken, NEVER)), send('next', 10)]);
    assert.equal(error.message, 'a bug');
    assert.deepEqual(confirmed, ['next']);
  });

  test('a connection that has ended says so at once', async (context) => {
    const { connection, peer, send } = await connected(context);
    await send('one', 10);
    peer.end();
    await until('the end is seen', () => connection.ended !== undefined);
    assert.equal(connection.endedIdle, true);
    assert.equal(await failure(connection.send([], NEVER)), connection.ended);
  });
});
