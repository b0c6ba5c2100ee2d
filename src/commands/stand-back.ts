import { constants, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Rests this much longer than it works. */
const REST = 9;
/** Shorter rests are saved up: a timer is no more exact than that. */
const AT_LEAST_MS = 10;

/** The daemon goes first wherever both want the processor. */
export function giveWay(): void {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
  } catch {}
}

/** What is read page by page, so slowly that a daemon beside it hardly notices: with a tenth of one processor. */
export async function* slowly<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item> {
  let rested = process.cpuUsage();
  for await (const item of items) {
    yield item;
    const { user, system } = process.cpuUsage(rested);
    const owedMs = ((user + system) / 1000) * REST;
    if (owedMs < AT_LEAST_MS) continue;
    await sleep(owedMs);
    rested = process.cpuUsage();
  }
}
