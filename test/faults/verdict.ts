/** Compares what Mosaic handed out with what lies at the SIEMs and in the dead letters. It asks the process nothing. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Batch } from '../../src/simulator/ledger.ts';
import type { SimulatedMosaic } from '../../src/simulator/mosaic.ts';
import { documentKey } from '../../src/simulator/sessions.ts';
import { openSpoolReader } from '../../src/spool.ts';
import type { SecurityEvent } from '../../src/types.ts';
import { difference } from '../fixtures/spool.ts';
import { assertNoSecret, STREAM, type Surroundings } from '../fixtures/surroundings.ts';
import type { Tally } from './campaign.ts';

type Document = Readonly<Record<string, unknown>>;

/** What one SIEM holds. */
export interface End {
  readonly sink: string;
  /** How often each event id arrived. */
  arrivals(): ReadonlyMap<string, number>;
  /** Every copy that is kept. */
  copies(): Iterable<readonly [id: string, document: Document]>;
  /** Events that it refuses for good. */
  refuses?(id: string): boolean;
}

export interface Evidence {
  readonly batches: readonly Batch[];
  expected(key: string, receivedAt: Date, ordinal?: number): SecurityEvent;
  readonly spool: string;
  readonly ends: readonly End[];
  /** The answer was in flight when the process died, or was spoilt on its way. */
  mayBeLost(batch: Batch): boolean;
  /** Of an answer that was cut off: so many of its activities arrived whole at least. What else of it is there is welcome. */
  cutBehind?(batch: Batch): number | undefined;
  /** Its first activity came once more at its end. */
  doubled?(batch: Batch): boolean;
}

export interface Verdict {
  /** Of all batches, those that never came into the spool. */
  readonly lost: readonly Batch[];
  readonly kept: number;
}

/** Adds up in `tally` what is wrong; the first few of each kind are told. */
export async function judge(tally: Tally, evidence: Evidence): Promise<Verdict> {
  const dead = await deadLetters(evidence.spool);
  const seen = new Set([
    ...evidence.ends.flatMap(({ arrivals }) => [...arrivals().keys()]),
    ...[...dead.values()].flatMap((ids) => [...ids.keys()]),
  ]);
  const wanted = new Map<string, Made>();
  const lost: Batch[] = [];
  let turn = 0;
  for (const batch of evidence.batches) {
    if (++turn % 4 === 0) await nextTurn();
    const made = madeOf(evidence, batch);
    const cut = evidence.cutBehind?.(batch);
    const isLost = cut === undefined && evidence.mayBeLost(batch) && made.every(({ event }) => !seen.has(event.id));
    if (isLost) lost.push(batch);
    else
      for (const [index, one] of made.entries())
        if (index < (cut ?? Infinity) || seen.has(one.event.id)) wanted.set(one.event.id, one);
  }
  tally.activities += wanted.size;
  for (const end of evidence.ends) await judgeEnd(tally, evidence, end, wanted, dead.get(end.sink) ?? new Map());
  await judgeBooks(tally, evidence.spool);
  return { lost, kept: wanted.size };
}

interface Made {
  readonly key: string;
  readonly ordinal: number;
  readonly event: SecurityEvent;
}
type Wanted = ReadonlyMap<string, Made>;

function madeOf({ expected, doubled }: Evidence, batch: Batch): Made[] {
  const one = (key: string, ordinal: number) => ({ key, ordinal, event: expected(key, batch.at, ordinal) });
  const made = batch.keys.map((key) => one(key, 0));
  return doubled?.(batch) ? [...made, one(batch.keys[0] ?? '', 1)] : made;
}

async function judgeEnd(
  tally: Tally,
  evidence: Evidence,
  end: End,
  wanted: Wanted,
  dead: ReadonlyMap<string, number>,
): Promise<void> {
  const arrived = end.arrivals();
  const say = teller(tally, end.sink);
  for (const [id, { key }] of wanted) {
    if (end.refuses?.(id)) tally.deadExpected += 1;
    else if (!arrived.has(id)) {
      tally.missing += 1;
      say('missing', `${key} (${id})${dead.has(id) ? ', which lies in its dead letters' : ''}`);
    }
  }
  for (const [id, times] of dead) {
    tally.deadFound += times;
    if (!end.refuses?.(id)) say('buried wrongly', id);
    if (times > 1) say('buried twice', id);
  }
  let turn = 0;
  for (const [id, document] of end.copies()) {
    if (++turn % 200 === 0) await nextTurn();
    const made = wanted.get(id);
    if (made && isSame(evidence, made, document)) continue;
    if (made) tally.changed += 1;
    else if (isFragment(evidence, document)) tally.happened('fragments of answers that were cut off, kept as evidence');
    else tally.invented += 1;
    if (made) say('changed', `${made.key} (${id}): ${JSON.stringify(document)}`);
    else if (!isFragment(evidence, document)) say('invented', `${id}: ${JSON.stringify(document)}`);
  }
  tally.happened('events that came more than once', [...arrived.values()].filter((times) => times > 1).length);
}

function teller(tally: Tally, sink: string): (kind: string, text: string) => void {
  const told = new Map<string, number>();
  return (kind, text) => {
    const times = (told.get(kind) ?? 0) + 1;
    told.set(kind, times);
    if (times <= 3) tally.fault(`${kind} at ${sink}: ${text.slice(0, 400)}`);
  };
}

/** The time of receipt is the process's own: the rest must be what the mapping makes with that time. */
function isSame(evidence: Evidence, { key, event, ordinal }: Made, found: Document): boolean {
  const { data_stream: _, ...rest } = found;
  // Not by the mapping's own word alone: whose it is, when and what is read out of the document by another hand.
  if (!isOf(found, key)) return false;
  const created = String((found['event'] as Document | undefined)?.['created']);
  const wanted = JSON.parse(event.json) as { event: Record<string, unknown> };
  wanted.event['created'] = created;
  if (isDeepStrictEqual(rest, wanted)) return true;
  const anew = evidence.expected(key, new Date(created), ordinal);
  return isDeepStrictEqual(rest, JSON.parse(anew.json));
}

/** A time that cannot be right is not taken from the activity, and the document says so. */
function isOf(found: Document, key: string): boolean {
  if (String(found['tags']).includes('_bad_timestamp')) return withoutTime(documentKey(found)) === withoutTime(key);
  return documentKey(found) === key;
}

function withoutTime(key: string): string {
  const [subject, , activity] = key.split(' ');
  return `${subject} ${activity}`;
}

/** The end of what arrived of an answer that was cut off is kept as one event that says so. */
function isFragment({ cutBehind }: Evidence, document: Document): boolean {
  return cutBehind !== undefined && (document['event'] as Document | undefined)?.['kind'] === 'pipeline_error';
}

/** How often each event id lies there, by sink. */
async function deadLetters(spool: string): Promise<Map<string, Map<string, number>>> {
  const reader = openSpoolReader(spool);
  try {
    const found = new Map<string, Map<string, number>>();
    for await (const { sink, eventId } of reader.deadLetters({})) {
      const ids = found.get(sink) ?? new Map<string, number>();
      found.set(sink, ids.set(eventId, (ids.get(eventId) ?? 0) + 1));
    }
    return found;
  } finally {
    await reader.close();
  }
}

async function judgeBooks(tally: Tally, spool: string): Promise<void> {
  const reader = openSpoolReader(spool);
  try {
    for await (const row of reader.books({})) {
      if (difference(row) !== 0 || row.waiting !== 0 || row.damaged !== 0)
        tally.fault(`the books of ${row.sink} do not add up, or tell of damage: ${JSON.stringify(row)}`);
    }
  } finally {
    await reader.close();
  }
}

/**
 * Watches a Mosaic of one stream from now on. The result gives the newest batch for as long as nothing shows that its answer is
 * stored: the next call is made only then. After a kill it is the only one that may be lost.
 */
export function watchAnswers({ ledger, calls }: SimulatedMosaic): () => Batch | undefined {
  const batches = ledger.batches as Batch[];
  const count = () => calls['POST collect'] ?? 0;
  let newest: { readonly batch: Batch; readonly call: number } | undefined;
  const { push } = batches;
  batches.push = (...more) => {
    for (const batch of more) newest = { batch, call: count() };
    return push.apply(batches, more);
  };
  return () => (newest?.call === count() ? newest.batch : undefined);
}

/** The three SIEMs of the usual surroundings. `refuses`: what two of them refuse for good. */
export function endsOf({ hec, elasticsearch, syslog }: Surroundings, refuses?: (id: string) => boolean): End[] {
  return [
    {
      sink: 'splunk',
      arrivals: () => hec.ledger,
      copies: () => hec.stored.map(({ event, fields }) => [String(fields?.['idv_event_id']), event as Document]),
      ...(refuses && { refuses }),
    },
    {
      sink: 'elastic',
      arrivals: () => new Map([...elasticsearch.stored.keys()].map((id) => [id, 1])),
      copies: () => elasticsearch.stored,
      ...(refuses && { refuses }),
    },
    {
      sink: 'soc',
      arrivals: () => syslog.ledger,
      copies: () => syslog.received.map(({ id, document }) => [id, document as unknown as Document]),
    },
  ];
}

/** Nothing waits at Mosaic, a later call shows that the last answer is stored, and no sink has anything to do. */
export async function settle(
  all: Pick<Surroundings, 'mosaic' | 'daemon'>,
  tally: Tally,
  ms = 90_000,
): Promise<boolean> {
  const { mosaic, daemon } = all;
  const began = performance.now();
  const waiting = async () =>
    (await daemon.status()).sinks.map((sink) => [sink.sink, sink.state, sink.waiting] as const);
  try {
    await daemon.until('Mosaic has nothing left', () => mosaic.ledger.books(STREAM).waiting === 0, { ms });
    const calls = mosaic.calls['POST collect'] ?? 0;
    await daemon.until('the next call', () => (mosaic.calls['POST collect'] ?? 0) > calls + 1, { ms });
    const settled = async () => (await waiting()).every(([, , count]) => count === 0);
    await daemon.until('everything is settled', settled, { ms, everyMs: 100, state: waiting });
    tally.recovered += 1;
    assertNoSecret(daemon.log);
    return true;
  } catch (error) {
    const seconds = Math.round((performance.now() - began) / 1000);
    tally.fault(`not well by itself after ${seconds} s: ${(error as Error).message.slice(0, 4000)}`);
    return false;
  }
}

/** Possible gaps by reason, as the process counts them. */
export async function gapsOf({ daemon }: Pick<Surroundings, 'daemon'>): Promise<Readonly<Record<string, number>>> {
  const { gaps } = await daemon.status();
  const sums: Record<string, number> = {};
  for (const { reason, count } of gaps) sums[reason] = (sums[reason] ?? 0) + count;
  return sums;
}
