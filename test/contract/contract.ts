/**
 * The contract of a sink, as a suite of node:test that every sink of this project runs, and that anyone may run on a sink
 * of their own:
 *
 *     import { sinkContract } from 'mosaic-siem-forwarder/contract';
 *     sinkContract('my sink', { definition, start, refused, lacks });
 *
 * docs/adding-a-sink.md shows a whole fixture.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checks } from './checks.ts';
import type { Dials, Fixture } from './fixture.ts';
import {
  definitionIsWhole,
  nothingStaysOpen,
  nothingTold,
  optionsAreDocumented,
  probeWritesNothing,
  wrongOptionsAreTold,
} from './surroundings.ts';
import { World } from './world.ts';

export type { Dials, Fixture, Held, Receiver } from './fixture.ts';

/** Registers one test for each promise. What this kind of sink lacks is printed with its reason, as skipped. */
export function sinkContract(name: string, fixture: Fixture): void {
  describe(`sink contract: ${name}`, () => {
    const { probe } = fixture.definition;
    test('the definition is whole', () => definitionIsWhole(fixture));
    test('every option is documented, and secrets are marked', () => optionsAreDocumented(fixture));
    test('wrong options are told, never thrown', () => wrongOptionsAreTold(fixture));
    test('the receiver has each dial, or the fixture says why not', () => dialsAreDeclared(fixture));
    for (const check of checks) {
      const lack = (check.needs && fixture.lacks?.[check.needs]) ?? check.beside?.(fixture);
      test(check.name, skipped(lack), () => inWorld(fixture, check.run));
    }
    test('no secret and nothing that an applicant typed is told', () => inWorld(fixture, nothingTold));
    test('a probe writes no event', skipped(probe ? undefined : 'it has no probe'), () =>
      inWorld(fixture, probeWritesNothing),
    );
    test('nothing stays open', () => inWorld(fixture, nothingStaysOpen));
  });
}

function skipped(why: string | undefined): { skip?: string } {
  return why === undefined ? {} : { skip: why };
}

async function inWorld(fixture: Fixture, run: (world: World) => Promise<void>): Promise<void> {
  const world = await World.start(fixture);
  try {
    await run(world);
  } catch (error) {
    // What the check found says more than what closing after it may say.
    await world.close().catch(() => undefined);
    throw error;
  }
  await world.close();
}

const DIALS: readonly (keyof Dials)[] = ['down', 'unwelcome', 'loseAnswer', 'slow', 'refuse', 'putOff'];

async function dialsAreDeclared(fixture: Fixture): Promise<void> {
  const receiver = await fixture.start();
  try {
    for (const dial of DIALS) {
      const [has, lack] = [receiver[dial] !== undefined, fixture.lacks?.[dial]];
      assert.ok(
        has !== (lack !== undefined),
        has ? `lacks.${dial}, and yet it is there` : `neither ${dial} nor lacks.${dial}`,
      );
      assert.notEqual(lack, '', `lacks.${dial} says why`);
    }
  } finally {
    await receiver.close();
  }
}
