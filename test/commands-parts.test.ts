import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { followOrders } from '../src/commands/follow-orders.ts';
import { newProgress } from '../src/commands/progress.ts';
import { readKey } from '../src/commands/search-sink.ts';
import { spanOf } from '../src/commands/span.ts';
import { slowly } from '../src/commands/stand-back.ts';
import type { Order } from '../src/types.ts';

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

test('what is read slowly takes a tenth of one processor, and all of it comes in order', async () => {
  const [from, cpu] = [performance.now(), process.cpuUsage()];
  const seen: number[] = [];
  for await (const number of slowly(numbers(40))) {
    seen.push(number);
    burn(4);
  }
  const { user, system } = process.cpuUsage(cpu);
  const share = (user + system) / 1000 / (performance.now() - from);
  assert.deepEqual(seen, await Array.fromAsync(numbers(40)));
  assert.ok(share < 0.18, `${share.toFixed(2)} of a processor`);
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

test('progress never wraps: on a narrow terminal it shows the numbers without the bar, and as many letters as fit', () => {
  const shown = (columns: number) => {
    const lines: string[] = [];
    const stream = { isTTY: true, columns, write: (text: string) => lines.push(text) };
    newProgress(stream as unknown as NodeJS.WriteStream, () => 0).show(2, 3, 'pages compared with sink elastic');
    return lines.join('').replace('\r\x1b[2K', '');
  };
  const whole = '[####################..........] 2 of 3 pages compared with sink elastic, 0 ms left';
  assert.equal(shown(whole.length + 1), whole);
  assert.equal(shown(whole.length), '2 of 3 pages compared with sink elastic, 0 ms left');
  assert.equal(shown(20), '2 of 3 pages compar');
});

test('a key file holds one word; what can be no key is not sent to a SIEM as one', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'key-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'read.key');
  const keyOf = (text: string) => {
    writeFileSync(file, text);
    return readKey(file);
  };
  assert.equal(keyOf(' aWQ6a2V5==\r\n'), 'aWQ6a2V5==');
  const refused = (message: RegExp) => (error: unknown) => {
    const { message: said, exitCode } = error as { message: string; exitCode: number };
    assert.match(said, message);
    assert.equal(exitCode, 2);
    return true;
  };
  for (const wrong of ['one\ntwo', 'two words', 'schl\u00fcssel', '\u0000\u0001']) {
    assert.throws(() => keyOf(wrong), refused(/read\.key holds more than a key, or no key: expected one word/), wrong);
  }
  assert.throws(() => keyOf(' \n'), refused(/read\.key is empty/));
  assert.throws(() => readKey(folder), refused(/cannot be read: EISDIR/));
});

test('whoever follows an order that is not begun is told once why that may be, on standard error', async (t) => {
  const order: Order = {
    ...{
      id: 7,
      kind: 'replay',
      sink: 'soc',
      filter: {},
      createdAt: new Date(),

      after: 0,
      upTo: 3,
    },
    ...{ delivered: 0, refused: 0, filtered: 0, discarded: 0, total: 30, pagesGone: 0 },
  };
  let looks = 0;
  const orders = async () => {
    looks += 1;
    return [looks < 4 ? order : { ...order, finishedAt: new Date(), delivered: 30 }];
  };
  const said: string[] = [];
  t.mock.method(process.stderr, 'write', (text: string) => said.push(text) > 0);
  await followOrders({ orders }, [7], { running: 'yes', json: false, total: 30, remindAfterMs: 300 });
  t.mock.restoreAll();
  assert.deepEqual(said, [
    'not begun yet: live events go first, and a sink that is down takes nothing (`mosaic-siem status`); the order stays in the spool if you end this\n',
  ]);
});
