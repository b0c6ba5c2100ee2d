import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ForwardDriver } from './model/forward-driver.ts';
import { scenarios } from './model/forward-scenarios.ts';
import { runs } from './model/runs.ts';

const HARD_CASES = [
  'stop with events in flight',
  'abort with events in flight',
  'an answer comes after abort',
  'a sink lies',
  'a damaged page is passed',
  'an event is buried, others pass',
  'an event is buried, alone',
  'an event is buried, others are waited for',
  'an event is stuck',
  'a dead letter is delivered',
  'an event is replayed',
];

test('whatever a sink answers, each event is delivered, or a dead letter that was truly refused', async (context) => {
  const happened = new Map(HARD_CASES.map((name) => [name, 0]));
  const note = (name: string) => happened.set(name, (happened.get(name) ?? 0) + 1);
  await fc.assert(
    fc.asyncProperty(scenarios, async (scenario) => {
      const driver = new ForwardDriver(scenario, note);
      try {
        await driver.run();
      } finally {
        await driver.close();
      }
    }),
    runs(20),
  );
  context.diagnostic(JSON.stringify(Object.fromEntries(happened)));
  const missing = HARD_CASES.filter((name) => happened.get(name) === 0);
  if (!process.env['MODEL_PATH']) assert.deepEqual(missing, [], 'each hard case has happened');
});
