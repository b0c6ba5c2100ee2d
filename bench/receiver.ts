import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Order } from './processes.ts';

/** The child that takes what is posted, unpacks it, counts the activities in it and answers as a HEC does. Nothing else. */
const unpack = promisify(gunzip);
const NEEDLE = Buffer.from('"activity":"');
const times: [number, number][] = [];
let open = true;

const server = createServer((request, response) => {
  take(request, response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});
process.on('message', (order: Order) => {
  if (order.do === 'open') open = order.open;
  if (order.do === 'report') process.send?.({ times });
});

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request);
  if (!open) return void response.writeHead(503).end('{"text":"Server is busy","code":9}');
  const count = countIn(await unpack(body));
  times.push([Date.now(), count]);
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"text":"Success","code":0}');
}

/** Each activity and each event of one holds it exactly once. */
function countIn(body: Buffer): number {
  let count = 0;
  for (let at = body.indexOf(NEEDLE); at >= 0; at = body.indexOf(NEEDLE, at + NEEDLE.length)) count += 1;
  return count;
}
