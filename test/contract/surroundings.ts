/** Checks of what lies around deliver: what is told, what stays open, the probe, and the options. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { z } from '../../src/sink.ts';
import { APPLICANT, hostileEvents, someEvents } from './events.ts';
import type { Fixture } from './fixture.ts';
import type { World } from './world.ts';

/** Provokes every error that the receiver can be made to give, and reads all that the sink said about it. */
export async function nothingTold(world: World): Promise<void> {
  const { receiver } = world;
  const events = someEvents('nothing told', 3);
  const refused = await receiver.refuse?.(someEvents('nothing told, refused', 1)[0] as (typeof events)[number]);
  await world.settle([...events, ...(refused ? [refused] : [])]);
  for (const dial of ['down', 'unwelcome', 'loseAnswer'] as const) {
    await receiver[dial]?.(true);
    await world.deliver(events);
    const { definition } = world.fixture;
    const report = await definition
      .probe?.(world.options(), world.context, new AbortController().signal)
      .catch(inspect);
    world.said.push(inspect(report, { depth: 12 }));
    await receiver[dial]?.(false);
    await world.settle(events);
  }
  await world.settle(hostileEvents('nothing told, hostile'));
  const all = world.said.join('\n');
  for (const secret of secretsIn(world.fixture, receiver.options)) {
    assert.ok(secret.length >= 8, 'a secret of the fixture has at least 8 characters');
    const forms = [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')];
    assert.ok(!forms.some((form) => all.includes(form)), `a secret was told: ${around(all, forms)}`);
  }
  assert.ok(!all.includes(APPLICANT), `what an applicant typed was told: ${around(all, [APPLICANT])}`);
}

function around(all: string, forms: readonly string[]): string {
  const found = forms.find((form) => all.includes(form)) ?? '';
  const at = all.indexOf(found);
  return inspect(`${all.slice(Math.max(0, at - 80), at)}…${all.slice(at + found.length, at + found.length + 40)}`);
}

/** Long enough for a socket to be closed at both ends, and shorter than any keep-alive. */
const CLOSED_WITHIN_MS = 2_000;

/**
 * Opened, used and closed a second time, a sink must give back all that it took. The first time loads what is loaded once;
 * the receiver stays as it is, so that it is the sink and not the receiver who ends their connections.
 */
export async function nothingStaysOpen(world: World): Promise<void> {
  await use(world);
  await world.within('close', world.sink.close());
  await sleep(300);
  const before = openNow();
  await world.open();
  await use(world);
  await world.within('close', world.sink.close());
  const end = Date.now() + CLOSED_WITHIN_MS;
  let more = difference(before, openNow());
  for (; more.length > 0 && Date.now() < end; more = difference(before, openNow())) await sleep(50);
  assert.deepEqual(more, [], 'closed, and yet open');
}

async function use(world: World): Promise<void> {
  await world.settle(someEvents('used', 5));
  if (!world.receiver.down) return;
  await world.receiver.down(true);
  await world.deliver(someEvents('used, down', 2));
  await world.receiver.down(false);
  await world.settle(someEvents('used, up again', 2));
}

/** Timers, sockets, servers and the like by their kind, and on Linux the file descriptors. */
function openNow(): ReadonlyMap<string, number> {
  const kinds = process.getActiveResourcesInfo();
  const counts = new Map(
    Object.entries(Object.groupBy(kinds, (kind) => kind)).map(([kind, all]) => [kind, all?.length ?? 0]),
  );
  if (process.platform === 'linux') counts.set('file descriptors', readdirSync('/proc/self/fd').length);
  return counts;
}

function difference(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): string[] {
  return [...now]
    .filter(([kind, count]) => count > (before.get(kind) ?? 0))
    .map(([kind, count]) => `${kind}: ${count}, before ${before.get(kind) ?? 0}`);
}

export async function probeWritesNothing(world: World): Promise<void> {
  const { definition } = world.fixture;
  const probe = () => {
    const report = definition.probe?.(world.options(), world.context, new AbortController().signal);
    return world.within('probe', Promise.resolve(report));
  };
  const report = await probe();
  assert.equal(report?.ok, true, `all is well, but the probe says ${inspect(report)}`);
  assert.ok(report.lines.length > 0 && report.lines.every((line) => typeof line === 'string' && line !== ''));
  assert.deepEqual(await world.receiver.held(), [], 'the probe wrote an event');
}

interface JsonSchema {
  readonly type?: unknown;
  readonly description?: unknown;
  readonly secret?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

function schemaOf({ definition }: Pick<Fixture, 'definition'>): JsonSchema {
  return z.toJSONSchema(definition.options, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
}

/** Every named option in the schema, in whatever branch, with its path. */
function optionsIn(schema: JsonSchema, path = ''): readonly (readonly [path: string, option: JsonSchema])[] {
  const branches = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  const inner = schema.items ? [schema.items, ...branches] : branches;
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, option]) => {
    const full = path ? `${path}.${name}` : name;
    return [[full, option] as const, ...optionsIn(option, full)];
  });
  return [...own, ...inner.flatMap((branch) => optionsIn(branch, path))];
}

const SECRET_NAME = /(^|_)(token|secret|pass(word|phrase)?|api_?key|credentials?)$/i;

export async function optionsAreDocumented(fixture: Fixture): Promise<void> {
  for (const [path, { description, type, secret }] of optionsIn(schemaOf(fixture))) {
    assert.ok(typeof description === 'string' && description.trim() !== '', `${path} has no description`);
    const name = path.slice(path.lastIndexOf('.') + 1);
    if (type === 'string' && SECRET_NAME.test(name))
      assert.equal(secret, true, `${path} looks like a secret: .meta({ secret: true }), or every log may print it`);
  }
}

/** The texts under options that the schema marks as secret. */
function secretsIn(fixture: Fixture, options: Readonly<Record<string, unknown>>): readonly string[] {
  const marked = optionsIn(schemaOf(fixture)).filter(([, option]) => option.secret === true);
  const values = marked.map(([path]) =>
    path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], options),
  );
  return values.filter((value): value is string => typeof value === 'string');
}

export async function wrongOptionsAreTold(fixture: Fixture): Promise<void> {
  const receiver = await fixture.start();
  try {
    const { options } = fixture.definition;
    const refuse = (value: unknown) => {
      const { success, error } = options.safeParse(value);
      assert.equal(success, false, `taken: ${inspect(value)}`);
      assert.ok(error?.issues.every(({ message }) => message !== ''));
    };
    assert.equal(options.safeParse(receiver.options).success, true, 'the fixture has good options');
    for (const wrong of [undefined, null, 'text', 7, [], { ...receiver.options, no_such_option: 1 }]) refuse(wrong);
    for (const wrong of fixture.refused) refuse({ ...receiver.options, ...wrong });
    // Whatever stands there in a config: a mistake is told in the answer, never thrown.
    for (const [path] of optionsIn(schemaOf(fixture)).filter(([one]) => !one.includes('.')))
      for (const value of [null, {}, [], '', 'text', '%', ':', '[', '{', 'a:b://@', -1, Number.NaN, true, '\u0000'])
        options.safeParse({ ...receiver.options, [path]: value });
  } finally {
    await receiver.close();
  }
}

export async function definitionIsWhole({ definition, refused }: Fixture): Promise<void> {
  const { type, summary, promises, defaults } = definition;
  assert.match(type, /^\S+$/, 'type is one word');
  assert.match(summary, /\S/, 'summary says what it is');
  for (const key of ['acknowledged', 'idempotent', 'perEvent'] as const)
    assert.equal(typeof promises[key], 'boolean', key);
  for (const key of ['concurrency', 'maxEvents', 'maxBytes'] as const)
    assert.ok(Number.isInteger(defaults[key]) && defaults[key] >= 1, `defaults.${key} is a whole number of at least 1`);
  const names = Object.keys(schemaOf({ definition }).properties ?? {});
  assert.ok(names.length === 0 || refused.length > 0, 'the fixture names options that must be refused');
}
