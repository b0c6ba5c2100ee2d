/** Every way in which Mosaic can answer badly: each possible gap is counted where there may be one, and nowhere else. */
import { isDeepStrictEqual } from 'node:util';
import { consumes } from '../../src/simulator/faults.ts';
import type { Batch } from '../../src/simulator/ledger.ts';
import type { Fault } from '../../src/simulator/mosaic.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import type { GapReason } from '../../src/types.ts';
import { STREAM, type Surroundings, surroundings } from '../fixtures/surroundings.ts';
import { type Campaign, PATIENCE_MS, type Tally } from './campaign.ts';
import { endsOf, gapsOf, judge, settle } from './verdict.ts';

const BATCH = 60;
const PAGE = '<!doctype html><html><head><title>Sorry</title></head><body>Come back later</body></html>';
const HTML = { 'content-type': 'text/html' };

/** One bad answer of a collect call. */
interface Trouble {
  readonly name: string;
  readonly fault: Fault;
  readonly gap?: GapReason;
}

const answer = (status: number, consume: boolean, more: object = {}): Fault => ({
  ...{ kind: 'answer', status, body: '{"message":"as it was told"}', consume, ...more },
});
const html = (status: number, consume = false): Fault => answer(status, consume, { headers: HTML, body: PAGE });

const TROUBLES: readonly Trouble[] = [
  { name: '429 with Retry-After', fault: answer(429, false, { headers: { 'retry-after': '1' } }) },
  { name: '429', fault: answer(429, false) },
  { name: '500', fault: answer(500, false) },
  { name: '503', fault: answer(503, false) },
  { name: '502 behind which the batch is gone', fault: html(502, true), gap: 'gateway' },
  { name: '504 behind which the batch is gone', fault: answer(504, true), gap: 'gateway' },
  { name: '524 behind which the batch is gone', fault: html(524, true), gap: 'gateway' },
  { name: '502 and nothing gone', fault: html(502), gap: 'gateway' },
  { name: 'a reset behind which the batch is gone', fault: { kind: 'reset', consume: true }, gap: 'no_answer' },
  { name: 'a reset and nothing gone', fault: { kind: 'reset' }, gap: 'no_answer' },
  { name: 'silence behind which the batch is gone', fault: { kind: 'silence', consume: true }, gap: 'no_answer' },
  { name: 'an answer cut off', fault: { kind: 'cut', bytes: 20_000 }, gap: 'cut_off' },
  { name: 'an answer cut off early', fault: { kind: 'cut', bytes: 300 }, gap: 'cut_off' },
  { name: 'an answer of unknown length cut off', fault: { kind: 'cut', bytes: 15_000, chunked: true }, gap: 'cut_off' },
  { name: 'a slow drip', fault: { kind: 'drip', bytes: 2_000, pauseMs: 30 } },
  { name: 'a drip that is too slow', fault: { kind: 'drip', bytes: 500, pauseMs: 150 }, gap: 'cut_off' },
  { name: "a proxy's page: 403", fault: html(403) },
  { name: "a proxy's page: 404", fault: html(404) },
  { name: "a proxy's page: 200", fault: html(200) },
  { name: 'a redirect: 301', fault: answer(301, false, { headers: { location: 'https://127.0.0.1:1/' } }) },
  { name: 'a redirect: 307', fault: answer(307, false, { headers: { location: '/login' } }) },
  { name: '400', fault: answer(400, false) },
  { name: '403', fault: answer(403, false) },
  { name: '404', fault: answer(404, false) },
  { name: '406', fault: answer(406, false) },
];

/** Bad answers to the question for a token: nothing was asked of the stream, so nothing can be missing. */
const TOKENS: readonly (readonly [name: string, fault: Fault])[] = [
  ['token: 400', answer(400, false)],
  ['token: 401', answer(401, false)],
  ['token: 403', html(403)],
  ['token: 429', answer(429, false, { headers: { 'retry-after': '1' } })],
  ['token: 500', answer(500, false)],
  ['token: 502', html(502)],
  ['token: a page', html(200)],
  ['token: a redirect', answer(302, false, { headers: { location: '/login' } })],
  ['token: a reset', { kind: 'reset' }],
  ['token: silence', { kind: 'silence' }],
  ['token: cut off', { kind: 'cut', bytes: 40 }],
  ['token: no JSON', answer(200, false, { body: 'token' })],
];

export const mosaicTrouble: Campaign = {
  name: 'mosaic',
  besides: true,
  async run({ scope, random, tally, progress }) {
    const all = await surroundings(scope, {
      batchSize: BATCH,
      mosaic: 'timeout: 3s\n  max_answer_size: 1MiB',
      spool: 'max_size: 64MiB',
    });
    const source = activitySource({ seed: random.between(1, 2 ** 31), rate: 500 });
    const gaps: Record<string, number> = {};
    const doubled = new Set<Batch>();
    const feed = () => all.enqueue(source.take(3 * BATCH - all.mosaic.ledger.books(STREAM).waiting));
    all.daemon.start();
    await all.daemon.ready(PATIENCE_MS);
    for (const trouble of TROUBLES) {
      progress(trouble.name);
      feed();
      await suffer(all, tally, trouble);
      if (trouble.gap) gaps[trouble.gap] = (gaps[trouble.gap] ?? 0) + 1;
    }
    for (const [name, fault] of TOKENS) {
      progress(name);
      feed();
      await sufferToken(all, tally, name, fault);
    }
    for (const { name, run } of spellings(all, doubled)) {
      progress(name);
      tally.need(name);
      feed();
      await run();
      tally.happened(name);
    }
    gaps['too_large'] = 1;
    await refusedConnections(all, tally, feed);
    if (!(await settle(all, tally))) return;
    await reckon(all, tally, doubled, gaps);
  },
};

/** One bad answer, then a good one. */
async function suffer({ mosaic, daemon }: Surroundings, tally: Tally, trouble: Trouble): Promise<void> {
  const { batches } = mosaic.ledger;
  tally.need(trouble.name);
  mosaic.dials.collect.next.push(trouble.fault);
  await daemon.until(`it is met: ${trouble.name}`, () => mosaic.dials.collect.next.length === 0, { everyMs: 2 });
  tally.happened(trouble.name);
  const since = batches.length;
  await daemon.until(`it collects again: ${trouble.name}`, () => batches.length > since, { ms: 60_000 });
}

async function sufferToken({ mosaic, daemon }: Surroundings, tally: Tally, name: string, fault: Fault): Promise<void> {
  tally.need(name);
  mosaic.dials.token.next.push(fault);
  mosaic.revokeTokens();
  await daemon.until(`it is met: ${name}`, () => mosaic.dials.token.next.length === 0);
  tally.happened(name);
  const since = mosaic.ledger.batches.length;
  await daemon.until(`it collects again: ${name}`, () => mosaic.ledger.batches.length > since, { ms: 60_000 });
}

interface Spelling {
  readonly name: string;
  run(): Promise<void>;
}

/** Answers that are good, each in another form than the usual one. */
function spellings({ mosaic, daemon }: Surroundings, doubled: Set<Batch>): Spelling[] {
  const { dials, ledger } = mosaic;
  const whole = (name: string, change: Partial<typeof dials>, after: (batch: Batch) => unknown = () => undefined) => ({
    name,
    async run() {
      const good = { ...dials };
      Object.assign(dials, change);
      const before = ledger.batches.length;
      await daemon.until(name, () => ledger.batches.length > before);
      await daemon.until(name, () => ledger.batches[before]?.completed === true);
      const during = ledger.batches.slice(before);
      Object.assign(dials, Object.fromEntries(Object.keys(change).map((key) => [key, good[key as keyof typeof good]])));
      for (const batch of during) after(batch);
    },
  });
  const empty = (emptyAs: typeof dials.emptyAs): Spelling => ({
    name: `nothing, said as '${emptyAs}'`,
    async run() {
      await daemon.until('Mosaic has nothing left', () => ledger.books(STREAM).waiting === 0);
      dials.emptyAs = emptyAs;
      const calls = mosaic.calls['POST collect'] ?? 0;
      await daemon.until('empty answers', () => (mosaic.calls['POST collect'] ?? 0) > calls + 2);
      dials.emptyAs = '[]';
    },
  });
  /** All of it is in front of the spaces that are too many; the next answer is good. */
  const tooLarge = (): Spelling => ({
    name: 'an answer that is too large',
    async run() {
      const before = ledger.batches.length;
      dials.padTo = 2 * 2 ** 20;
      await daemon.until('an answer that is too large', () => ledger.batches.length > before, { everyMs: 1 });
      dials.padTo = 0;
      await daemon.until('it collects again', () => ledger.batches.length > before + 1);
    },
  });
  return [
    whole('activities in an object', { wrapIn: 'events' }),
    whole('a wrong content type', { contentType: 'text/plain' }),
    whole('an activity twice in one answer', { duplicates: true }, (batch) => doubled.add(batch)),
    tooLarge(),
    ...(['[]', '204', '', '{}', 'null'] as const).map(empty),
  ];
}

/** Where nobody listens nothing was asked, so nothing can be missing. */
async function refusedConnections({ mosaic, daemon }: Surroundings, tally: Tally, feed: () => void): Promise<void> {
  tally.need('connections refused', 'tokens that are dead when they arrive', 'a wrong client secret');
  await daemon.until('Mosaic has nothing left', () => mosaic.ledger.books(STREAM).waiting === 0);
  await mosaic.down();
  feed();
  const counted = async () => /collect_calls_total\{[^}]*result="not_sent"/.test((await daemon.get('/metrics')).text);
  await daemon.until('calls that were not sent', counted, { ms: 20_000 });
  await mosaic.up();
  await again('connections refused');
  const { clientSecret } = mosaic.dials;
  mosaic.dials.clientSecret = 'another';
  await during('a wrong client secret', () => Object.assign(mosaic.dials, { clientSecret }));
  mosaic.dials.tokenLife = 0;
  await during('tokens that are dead when they arrive', () => Object.assign(mosaic.dials, { tokenLife: 3_600 }));

  async function during(name: string, mend: () => void): Promise<void> {
    const asked = mosaic.calls['POST token'] ?? 0;
    mosaic.revokeTokens();
    feed();
    await daemon.until(name, () => (mosaic.calls['POST token'] ?? 0) > asked + 2, { ms: 60_000 });
    mend();
    await again(name);
  }

  async function again(name: string): Promise<void> {
    const before = mosaic.ledger.batches.length;
    await daemon.until(`it collects again: ${name}`, () => mosaic.ledger.batches.length > before, { ms: 60_000 });
    tally.happened(name);
  }
}

async function reckon(
  all: Surroundings,
  tally: Tally,
  doubled: ReadonlySet<Batch>,
  wanted: Readonly<Record<string, number>>,
): Promise<void> {
  const { mosaic, daemon } = all;
  const spoilt = spoiltBatches(mosaic.ledger.batches);
  const { lost } = await judge(tally, {
    batches: mosaic.ledger.batches,
    expected: all.expected,
    spool: daemon.spool,
    ends: endsOf(all),
    mayBeLost: (batch) => spoilt.has(batch) && isGone(spoilt.get(batch)),
    cutBehind: (batch) => wholeIn(all, batch, spoilt.get(batch)),
    doubled: (batch) => doubled.has(batch),
  });
  const gone = TROUBLES.filter(({ gap, fault }) => gap && consumes(fault) && isGone(fault)).length;
  if (lost.length !== gone) tally.fault(`${lost.length} answers are lost, of ${gone} that were taken away`);
  tally.happened('batches that Mosaic gave away for nothing', lost.length);
  const counted = await gapsOf(all);
  for (const [reason, count] of Object.entries(counted)) tally.happened(`possible gaps counted: ${reason}`, count);
  // A call that was under way when the connections were closed may be one more.
  const surplus = (counted['no_answer'] ?? 0) - (wanted['no_answer'] ?? 0);
  const exact = { ...counted, no_answer: (counted['no_answer'] ?? 0) - (surplus === 1 ? 1 : 0) };
  if (!isDeepStrictEqual(exact, { ...wanted }))
    tally.fault(`possible gaps counted: ${JSON.stringify(counted)}; there were ${JSON.stringify(wanted)}`);
  if (mosaic.maximumParallelCollects > 1) tally.fault('two collect calls were under way at once');
}

/** The batches whose answers were spoilt come in the order of the faults that spoilt them. */
function spoiltBatches(batches: readonly Batch[]): ReadonlyMap<Batch, Fault> {
  const faults = TROUBLES.filter(({ gap, fault }) => gap && consumes(fault)).map(({ fault }) => fault);
  const spoilt = batches.filter(({ completed }) => !completed);
  return new Map(spoilt.flatMap((batch, at) => (faults[at] ? [[batch, faults[at]] as const] : [])));
}

function isGone(fault: Fault | undefined): boolean {
  return fault?.kind === 'answer' || fault?.kind === 'reset' || fault?.kind === 'silence';
}

/** How many activities of an answer that was cut off arrived whole, at least; undefined: it was not cut off. */
function wholeIn({ expected }: Surroundings, batch: Batch, fault: Fault | undefined): number | undefined {
  if (fault?.kind === 'drip') return 0;
  if (fault?.kind !== 'cut') return undefined;
  let end = 0;
  const arrived = batch.keys.filter((key) => {
    end += 1 + expected(key, batch.at).source.raw.length;
    return end <= fault.bytes;
  });
  return arrived.length;
}
