/** kill -9: at any moment, at each named point of the path, within a write of the database, at the start and in a stop. */
import { closeSync, existsSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Batch } from '../../src/simulator/ledger.ts';
import { type Random, randomFrom } from '../../src/simulator/random.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import type { Daemon } from '../fixtures/process.ts';
import { STREAM, type Surroundings, surroundings } from '../fixtures/surroundings.ts';
import { type Campaign, PATIENCE_MS, type Stage, type Tally, within } from './campaign.ts';
import { killInWrite, lacksStrace } from './strace.ts';
import { endsOf, gapsOf, judge, settle, watchAnswers } from './verdict.ts';

const LIVES_OF_A_ROUND = 20;
const PRELOAD = fileURLToPath(new URL('./kill-at.ts', import.meta.url));

/** Named points of the path, with how many passages each life may let by before the one that ends it. */
const POINTS = {
  'start inside': 1,
  'start before commit': 1,
  'start after commit': 1,
  'answer sent': 6,
  'answer begins': 6,
  'answer here': 6,
  'append page row': 6,
  'append body row': 6,
  'append before commit': 6,
  'append after commit': 6,
  'delivery sent': 8,
  'delivery begins': 8,
  'delivery here': 8,
  'delivery written to syslog': 8,
  'commit inside': 8,
  'commit burial': 4,
  'commit before commit': 8,
  'commit after commit': 8,
  'trim inside': 1,
  'trim before commit': 1,
  'trim after commit': 1,
  'gap inside': 1,
  'gap before commit': 1,
  'gap after commit': 1,
  'salvage copying': 1,
  'salvage rename': 4,
  'salvage remove': 2,
} as const;
type Point = keyof typeof POINTS;
const NAMES = Object.keys(POINTS) as [Point, ...Point[]];

type Plan =
  | { readonly how: 'at any moment' | 'in a write' | 'at the start' | 'in a stop' }
  | { readonly how: 'at a point'; readonly point: Point; readonly passage: number };

const PLACES = ['in an append', 'in a commit', 'between delivery and commit', 'while an answer was under way'] as const;

export const kills: Campaign = {
  name: 'kills',
  lacks: lacksStrace,
  async run(stage) {
    const { tally } = stage;
    tally.need(...PLACES.map((place) => `kills ${place}`), 'kills in a write of the database');
    tally.need('batches lost with a dead process', 'events that came more than once', 'dead letters');
    if (stage.kills >= 8 * NAMES.length) tally.need(...NAMES.map((point) => `kills at: ${point}`));
    const lanes = Math.min(2, availableParallelism());
    const plans = planAll(stage.random, stage.kills);
    const running = Array.from({ length: lanes }, (_, lane) =>
      runLane(stage, plans, randomFrom(stage.random.between(1, 2 ** 31) + lane)),
    );
    // A lane that fails must not leave the other one behind.
    for (const lane of await Promise.allSettled(running)) if (lane.status === 'rejected') throw lane.reason;
  },
};

/** In turn: by chance a short run may leave one out. */
const OTHERS = [
  'in a write',
  'at any moment',
  'at the start',
  'in a write',
  'at any moment',
  'in a stop',
  'in a write',
  'at any moment',
  'at any moment',
] as const;

/** Every named point in turn, so that even a short run comes by each; which passage of it by chance. */
function planAll(random: Random, count: number): Plan[] {
  const first = random.between(0, NAMES.length - 1);
  return Array.from({ length: count }, (_, number) => {
    if (number % 3 !== 0) {
      const point = NAMES[(first + Math.floor((number * 2) / 3)) % NAMES.length] ?? NAMES[0];
      return { how: 'at a point', point, passage: random.between(1, POINTS[point]) };
    }
    return { how: OTHERS[(number / 3) % OTHERS.length] ?? 'at any moment' };
  });
}

async function runLane(stage: Stage, plans: Plan[], random: Random): Promise<void> {
  while (plans.length > 0) {
    try {
      await within(async (scope) => runRound({ ...stage, scope, random }, plans.splice(0, LIVES_OF_A_ROUND), plans));
    } catch (error) {
      plans.length = 0;
      throw error;
    }
  }
}

/** What two of the SIEMs refuse for good: one event in a hundred. */
function refuses(id: string): boolean {
  return Number.parseInt(id.slice(0, 8), 16) % 100 === 0;
}

/** Several lives of one spool, then the reckoning. */
async function runRound(stage: Stage, plans: readonly Plan[], rest: readonly Plan[]): Promise<void> {
  const { random, tally } = stage;
  const batchSize = random.between(40, 120);
  const all = await surroundings(stage.scope, {
    batchSize,
    acknowledgement: random.chance(0.5),
    soc: 'timeout: 5s',
    // The receiver loses what it has not read when it resets: on a busy machine it reads late.
    confirmAfter: '1500ms',
    // Small enough that settled pages must go all the time.
    mosaic: 'max_answer_size: 256KiB',
    spool: 'max_size: 1300KiB',
  });
  const source = activitySource({ seed: random.between(1, 2 ** 31), rate: 500 });
  setTrouble(all, random);
  const round = {
    all,
    tally,
    random,
    trail: join(dirname(all.daemon.config), 'trail'),
    inFlight: watchAnswers(all.mosaic),
    lastBefore: new Map<Batch, Plan>(),
  };
  let [killed, lived] = [0, 0];
  for (const [index, plan] of plans.entries()) {
    const waiting = all.mosaic.ledger.books(STREAM).waiting;
    all.enqueue(source.take(Math.max(0, batchSize * random.between(6, 12) - waiting)));
    const death = await runLife(round, plan);
    if (death !== 'stopped') killed += 1;
    if (death === 'killed after a call') lived += 1;
    stage.progress(`${rest.length + plans.length - index - 1} lives to go`);
  }
  all.daemon.start();
  await all.daemon.ready(PATIENCE_MS);
  clearTrouble(all);
  if (!(await settle(all, tally))) return;
  await reckon(round, killed, lived);
  all.daemon.signal('SIGTERM');
  const { code } = await all.daemon.ended();
  if (code !== 0) tally.fault(`a stop in order ended with ${code}`);
}

interface Round {
  readonly all: Surroundings;
  readonly tally: Tally;
  readonly random: Random;
  readonly trail: string;
  readonly inFlight: () => Batch | undefined;
  /** The answers that were under way as the process died: only these may not have come into the spool. */
  readonly lastBefore: Map<Batch, Plan>;
}

async function reckon({ all, tally, lastBefore }: Round, killed: number, lived: number): Promise<void> {
  const { mosaic, elasticsearch, daemon, syslog } = all;
  const spoilt = (batch: Batch) => !batch.completed && !lastBefore.has(batch);
  const { lost } = await judge(tally, {
    batches: mosaic.ledger.batches,
    expected: all.expected,
    spool: daemon.spool,
    ends: endsOf(all, refuses),
    mayBeLost: (batch) => (lastBefore.has(batch) && !isStoredFor(lastBefore.get(batch))) || spoilt(batch),
  });
  const dead = lost.filter((batch) => lastBefore.has(batch));
  tally.happened('batches lost with a dead process', dead.length);
  tally.happened(
    'activities lost with a dead process',
    dead.reduce((sum, { count }) => sum + count, 0),
  );
  tally.happened('events that came more than once', elasticsearch.duplicates);
  tally.happened(
    'dead letters',
    (await daemon.status()).sinks.reduce((sum, sink) => sum + sink.dead_letters, 0),
  );
  const gaps = await gapsOf(all);
  for (const [reason, count] of Object.entries(gaps)) tally.happened(`possible gaps counted: ${reason}`, count);
  const sum = Object.values(gaps).reduce((total, count) => total + count, 0);
  if (lost.length > sum) tally.fault(`${lost.length} answers were lost, but only ${sum} possible gaps counted`);
  const crashes = gaps['crash'] ?? 0;
  if (crashes < lived || crashes > killed)
    tally.fault(`${crashes} unclean stops counted: ${killed} kills, ${lived} of them after a call of Mosaic`);
  if (syslog.violations.length > 0 && !syslog.violations.every((text) => /bytes into a message/.test(text)))
    tally.fault(`the syslog receiver minds: ${syslog.violations[0]}`);
  if (mosaic.maximumParallelCollects > 1) tally.fault('two collect calls were under way at once');
}

/** The process died at a point behind which the last answer is on disk. */
function isStoredFor(plan: Plan | undefined): boolean {
  return plan?.how === 'at a point' && plan.point === 'append after commit';
}

function setTrouble({ hec, elasticsearch, syslog }: Surroundings, random: Random): void {
  const isRefused = (document: unknown) => refuses((document as { event: { id: string } }).event.id);
  hec.dials.refuse = isRefused;
  elasticsearch.dials.itemStatus = (document) => (isRefused(document) ? 400 : undefined);
  elasticsearch.dials.itemErrorType = 'document_parsing_exception';
  if (random.chance(0.5)) hec.dials.busyEvery = random.between(3, 9);
  if (random.chance(0.5)) Object.assign(hec.dials, { loseAnswer: true, everyNth: random.between(4, 9) });
  if (random.chance(0.5)) elasticsearch.dials.everyNth = { n: random.between(3, 9), status: 429 };
  if (random.chance(0.5)) elasticsearch.dials.delayMs = random.between(1, 60);
  if (random.chance(0.5)) syslog.dials.closeAfter = { messages: random.between(200, 900), how: 'reset' };
}

/** What is refused stays refused. */
function clearTrouble({ hec, elasticsearch, syslog }: Surroundings): void {
  Object.assign(hec.dials, { busyEvery: undefined, loseAnswer: false, everyNth: undefined });
  Object.assign(elasticsearch.dials, { everyNth: undefined, delayMs: 0 });
  syslog.dials.closeAfter = undefined;
}

type Death = 'stopped' | 'killed' | 'killed after a call';

async function runLife(round: Round, plan: Plan): Promise<Death> {
  const { all, tally, random, trail } = round;
  const { mosaic, daemon, syslog } = all;
  const { batches } = mosaic.ledger;
  const [callsBefore, batchesBefore] = [mosaic.calls['POST collect'] ?? 0, batches.length];
  mosaic.dials.delayMs = random.between(2, 25);
  if (plan.how === 'at a point' && plan.point.startsWith('salvage')) damage(daemon.spool, tally);
  if (plan.how === 'at a point' && plan.point.startsWith('gap'))
    mosaic.dials.collect.next.push(undefined, { kind: 'reset', consume: true });
  daemon.start({
    environment: {
      NODE_OPTIONS: `--import ${PRELOAD}`,
      KILL_TRAIL: trail,
      KILL_SYSLOG: `${syslog.port}`,
      KILL_AT: plan.how === 'at a point' ? `${plan.point}:${plan.passage}` : '',
    },
  });
  await lead(round, plan, batchesBefore);
  mosaic.dials.collect.next.length = 0;
  // One that is in a stop may end by itself in this very moment.
  if (daemon.running) daemon.signal('SIGKILL');
  const { code, signal, stderr } = await daemon.ended();
  if (signal !== 'SIGKILL' && (plan.how !== 'in a stop' || code !== 0)) {
    tally.fault(`the process ended by itself (${code} ${signal}): ${stderr.slice(-1000)}`);
    return 'stopped';
  }
  if (signal !== 'SIGKILL') return 'stopped';
  const last = round.inFlight();
  if (last && batches.length > batchesBefore) round.lastBefore.set(last, plan);
  // A life that ends before it has loaded anything leaves none.
  tell(tally, plan, existsSync(trail) ? readFileSync(trail, 'utf8') : '');
  return (mosaic.calls['POST collect'] ?? 0) > callsBefore ? 'killed after a call' : 'killed';
}

/** Spoils the head of the database, without which it can be read by nobody who trusts it. Each row is still there. */
function damage(spool: string, tally: Tally): void {
  const path = join(spool, 'spool.db');
  if (!existsSync(path) || statSync(path).size < 4096) return;
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(100, 0x5a), 0, 100, 0);
  closeSync(file);
  tally.happened('damaged files that were salvaged');
}

/** Brings a life to where it is to end; what has not ended by itself then is killed. */
async function lead({ all, tally, random }: Round, plan: Plan, batchesBefore: number): Promise<void> {
  const { daemon, mosaic } = all;
  const calls = () => mosaic.calls['POST collect'] ?? 0;
  const flows = () =>
    daemon.until('activities flow', () => mosaic.ledger.batches.length > batchesBefore, {
      everyMs: 2,
      ms: PATIENCE_MS,
    });
  if (plan.how === 'at the start') return void (await sleep(random.between(50, 900)));
  if (plan.how === 'at a point') {
    if (!(await isReached(daemon, calls))) tally.happened('named points that were not reached');
    return;
  }
  await flows();
  if (plan.how === 'in a write') {
    const done = await killInWrite(daemon, random.between(1, 120), random.chance(0.25) ? 'fdatasync' : 'pwrite64');
    if (done) tally.happened('kills in a write of the database');
    return;
  }
  await sleep(random.between(0, 400));
  if (plan.how !== 'in a stop') return;
  daemon.signal('SIGTERM');
  await sleep(random.between(0, 300));
}

/** Whether it ends by itself, within a while in which activities flow. */
async function isReached(daemon: Daemon, calls: () => number): Promise<boolean> {
  const [began, before] = [performance.now(), calls()];
  for (let since = began; daemon.running; await sleep(5)) {
    const now = performance.now();
    if (calls() === before) since = now;
    if (now - since > 6_000 || now - began > PATIENCE_MS) return false;
  }
  return true;
}

/** Counts where the process was. */
function tell(tally: Tally, plan: Plan, trail: string): void {
  const [database = '', delivery = '', answer = ''] = [0, 32, 64].map((at) => trail.slice(at, at + 32).trim());
  tally.happened('kills');
  tally.happened(`kills ${plan.how}`);
  if (plan.how === 'at a point') tally.happened(`kills at: ${plan.point}`);
  if (database.startsWith('append')) tally.happened('kills in an append');
  if (database.startsWith('commit')) tally.happened('kills in a commit');
  if (delivery === 'here') tally.happened('kills between delivery and commit');
  if (answer === 'sent' || answer === 'begins') tally.happened('kills while an answer was under way');
}
