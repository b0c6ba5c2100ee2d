import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newProgress } from '../src/commands/progress.ts';
import { spanOf } from '../src/commands/span.ts';
import { slowly } from '../src/commands/stand-back.ts';

async function* numbers(count: number) {
  for (let number = 0; number < count; number += 1) yield number;
}

function burn(ms: number): void {
  const from = process.cpuUsage();
  for (let used = 0; used < ms; ) {
    const { user, system } = process.cpuUsage(from);
    used = (user + system) / 1000;
  }
}

test('what is read slowly takes a fifth of one processor, and all of it comes in order', async () => {
  const [from, cpu] = [performance.now(), process.cpuUsage()];
  const seen: number[] = [];
  for await (const number of slowly(numbers(40))) {
    seen.push(number);
    burn(4);
  }
  const { user, system } = process.cpuUsage(cpu);
  const share = (user + system) / 1000 / (performance.now() - from);
  assert.deepEqual(seen, await Array.fromAsync(numbers(40)));
  assert.ok(share < 0.3, `${share.toFixed(2)} of a processor`);
});

test('a span is given by times, by how long ago, or is open', () => {
  const now = new Date('2026-03-01T12:00:00Z');
  const of = (from?: string, to?: string) => {
    const span = spanOf({ ...(from && { from }), ...(to && { to }) }, now);
    return [span.from.toISOString(), span.to.toISOString()];
  };
  assert.deepEqual(of('2026-02-01T00:00:00Z', '2026-02-01T02:00:00.5+01:00'), [
    '2026-02-01T00:00:00.000Z',
    '2026-02-01T01:00:00.500Z',
  ]);
  assert.deepEqual(of('2h', '30m'), ['2026-03-01T10:00:00.000Z', '2026-03-01T11:30:00.000Z']);
  assert.deepEqual(of('2026-02-01', '2026-02-02'), ['2026-02-01T00:00:00.000Z', '2026-02-02T00:00:00.000Z']);
  assert.deepEqual(of(), ['1970-01-01T00:00:00.000Z', '+275760-09-13T00:00:00.000Z']);
  for (const wrong of ['yesterday', '2026-02-30T00:00:00Z', '2026-02-01T00:00:00', '12', '1e3', ''])
    assert.throws(() => spanOf({ from: wrong }, now), /is no time: expected as in/, wrong);
  assert.throws(() => of('1h', '2h'), /is not before --to/);
});

test('progress is shown on a terminal only, and taken away before anything else is printed', () => {
  const lines: string[] = [];
  const stream = (isTTY: boolean) =>
    ({ isTTY, write: (text: string) => lines.push(text) }) as unknown as NodeJS.WriteStream;
  const silent = newProgress(stream(false));
  silent.show(1, 2, 'events');
  silent.clear();
  assert.deepEqual(lines, []);
  let now = 0;
  const bar = newProgress(stream(true), () => now);
  now = 2_000;
  bar.show(2_500, 10_000, 'events');
  assert.equal(lines.join(''), '\r\x1b[2K[########......................] 2,500 of 10,000 events, 6 s left');
  bar.show(2_501, 10_000, 'events');
  assert.ok(!lines.join('').includes('2,501'), 'not more often than can be read');
  bar.show(10_000, 10_000, 'events');
  bar.clear();
  assert.ok(lines.join('').endsWith('[##############################] 10,000 of 10,000 events\r\x1b[2K'));
});
