import { startMosaic } from '../src/simulator/mosaic.ts';
import { activitySource } from '../src/simulator/sessions.ts';
import { type Order, STREAM } from './processes.ts';

/** The child that hands out activities. They are made before the clock starts, and come round again after 20,000. */
const mosaic = await startMosaic({ streams: [STREAM], clientId: 'bench' });
const made = activitySource({ seed: 1, spelling: 'camel' }).take(20_000);
let pacing: NodeJS.Timeout | undefined;
let enqueued = 0;

process.on('message', (order: Order) => {
  if (order.do === 'fill') enqueue(order.count);
  if (order.do === 'pace') pace(order.perSecond);
  if (order.do === 'rest') clearInterval(pacing);
  // When each answer was given, and how many activities all answers held by then.
  const times = mosaic.ledger.batches.map(({ at, count }) => [at.getTime(), count]);
  if (order.do === 'report') process.send?.({ enqueued, times });
});
process.send?.({ baseUrl: mosaic.baseUrl, tokenUrl: mosaic.tokenUrl, secret: mosaic.dials.clientSecret });

function enqueue(count: number): void {
  const from = enqueued % made.length;
  const part = made.slice(from, from + count);
  mosaic.enqueue(STREAM, part);
  enqueued += part.length;
  if (count > part.length) enqueue(count - part.length);
}

function pace(perSecond: number): void {
  const [from, before] = [performance.now(), enqueued];
  pacing = setInterval(() => {
    const due = Math.floor(((performance.now() - from) / 1000) * perSecond) - (enqueued - before);
    if (due > 0) enqueue(due);
  }, 20);
}
