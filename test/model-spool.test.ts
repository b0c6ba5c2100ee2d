import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runs } from './model/runs.ts';
import { SpoolDriver } from './model/spool-driver.ts';
import { sequences } from './model/spool-operations.ts';

const HARD_CASES = [
  'refused in a write',
  'dies in a write',
  'a name is handed over',
  'an order is handed over',
  'a dead letter outlives its page',
  'a damaged page is settled',
  'a page is settled in part',
  'a page is replayed',
  'room is made',
  'there is no room',
  'pages are dropped',
  'dead letters are discarded',
  'dead letters are delivered',
];

test('a spool does what a few plain arrays would do, whatever happens to it, in whatever order', async (context) => {
  const happened = new Map(HARD_CASES.map((name) => [name, 0]));
  const note = (name: string) => happened.set(name, (happened.get(name) ?? 0) + 1);
  await fc.assert(
    fc.asyncProperty(sequences, async (sequence) => {
      const driver = new SpoolDriver(note);
      try {
        await driver.begin();
        for (const operation of sequence) await driver.do(operation);
        await driver.compare();
      } finally {
        await driver.end();
      }
    }),
    runs(40),
  );
  context.diagnostic(JSON.stringify(Object.fromEntries(happened)));
  if (!process.env['MODEL_PATH']) assert.deepEqual(missing(happened), [], 'each hard case has happened');
});

function missing(happened: ReadonlyMap<string, number>): string[] {
  return HARD_CASES.filter((name) => happened.get(name) === 0);
}
