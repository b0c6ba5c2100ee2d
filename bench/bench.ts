import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  BATCH,
  type Child,
  nicenessOf,
  STREAM,
  startAudit,
  startChild,
  startForwarder,
  startPump,
  type Times,
  type Use,
  useOf,
} from './processes.ts';

/**
 * The whole path beside a raw pump, in one run on one machine: `npm run bench -- --events 200000 --rounds 3 --backlog 1000000`.
 * Only the ratio of the two can be compared between machines. `--audit`: instead, the path with an
 * audit beside it, and without one.
 */
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    rate: { type: 'string', default: '2000' },
    backlog: { type: 'string', default: '0' },
    audit: { type: 'boolean', default: false },
  },
});

type Mosaic = Child<{ baseUrl: string; tokenUrl: string; secret: string }>;
type Receiver = Child<{ url: string }>;
interface World {
  readonly mosaic: Mosaic;
  readonly receiver: Receiver;
  readonly config: string;
}

/** Runs `work` in a world of its own, so that no run finds anything warm. */
async function inWorld<T>(work: (world: World) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'mosaic-siem-bench-'));
  const mosaic: Mosaic = await startChild('mosaic');
  const receiver: Receiver = await startChild('receiver');
  const config = join(folder, 'bench.yaml');
  writeFileSync(config, configOf(folder, mosaic, receiver));
  try {
    return await work({ mosaic, receiver, config });
  } finally {
    mosaic.process.kill();
    receiver.process.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function configOf(folder: string, { hello }: Mosaic, receiver: Receiver): string {
  const [type, id] = STREAM.split('/');
  return JSON.stringify({
    mosaic: {
      base_url: hello.baseUrl,
      token_url: hello.tokenUrl,
      client_id: 'bench',
      client_secret: hello.secret,
      streams: [{ type, id, batch_size: BATCH, poll_interval: '200ms' }],
    },
    spool: { path: join(folder, 'spool') },
    sinks: {
      hec: {
        type: 'splunk_hec',
        url: receiver.hello.url,
        token: 'bench',
        batch: { max_events: BATCH, max_bytes: '1MB' },
      },
    },
    status: 'off',
    log: { level: 'warn' },
  });
}

interface Run extends Use {
  readonly perSecond: number;
}

/** From the first answer of Mosaic to the last event at the receiver. */
async function measure(world: World, count: number, start: () => ChildProcess): Promise<Run> {
  world.mosaic.tell({ do: 'fill', count });
  await world.mosaic.ask();
  const child = start();
  let use: Use = { cpuSeconds: 0, peakRss: 0 };
  const arrived = async () => sum((await world.receiver.ask<{ times: Times }>()).times);
  for (let got = 0; got < count; got = await arrived()) {
    if (child.exitCode !== null && (await arrived()) < count) throw new Error('it ended before all had arrived');
    await sleep(50);
    if (child.exitCode === null) use = useOf(child);
  }
  const first = (await world.mosaic.ask<{ times: Times }>()).times[0]?.[0] ?? 0;
  const last = (await world.receiver.ask<{ times: Times }>()).times.at(-1)?.[0] ?? 0;
  await end(child);
  return { ...use, perSecond: (count / (last - first)) * 1000 };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

function sum(times: Times): number {
  return times.reduce((total, [, count]) => total + count, 0);
}

const forwarder = (count: number) => inWorld((world) => measure(world, count, () => startForwarder(world.config)));
const pump = (count: number) =>
  inWorld((world) => {
    const { baseUrl, tokenUrl, secret } = world.mosaic.hello;
    return measure(world, count, () => startPump([baseUrl, tokenUrl, secret, world.receiver.hello.url]));
  });

/** From Mosaic's answer to the receiver, in ms, at a steady pace: the n-th activity that was handed out to the n-th that arrived. */
async function latency(perSecond: number, seconds: number): Promise<{ p50: number; p99: number }> {
  return inWorld(async ({ mosaic, receiver, config }) => {
    const child = startForwarder(config);
    mosaic.tell({ do: 'pace', perSecond });
    await sleep(seconds * 1000);
    mosaic.tell({ do: 'rest' });
    await sleep(3000);
    const out = (await mosaic.ask<{ times: Times }>()).times;
    const into = (await receiver.ask<{ times: Times }>()).times;
    await end(child);
    if (sum(out) !== sum(into)) throw new Error(`${sum(out)} were handed out, ${sum(into)} arrived`);
    return quantiles(out, into);
  });
}

function quantiles(out: Times, into: Times): { p50: number; p99: number } {
  const each = (times: Times) => times.flatMap(([at, count]) => Array<number>(count).fill(at));
  const [sent, arrived] = [each(out), each(into)];
  const waits = sent.map((at, index) => (arrived[index] ?? 0) - at).sort((a, b) => a - b);
  const at = (share: number) => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

/** The receiver takes nothing until all is in the spool. */
async function backlog(count: number): Promise<Run & { readonly filling: number }> {
  return inWorld(async (world) => {
    const { mosaic, receiver, config } = world;
    receiver.tell({ do: 'open', open: false });
    mosaic.tell({ do: 'fill', count });
    await mosaic.ask();
    const child = startForwarder(config);
    const from = Date.now();
    while (sum((await mosaic.ask<{ times: Times }>()).times) < count) await sleep(200);
    const filling = (Date.now() - from) / 1000;
    await sleep(2000);
    const filled = useOf(child);
    receiver.tell({ do: 'open', open: true });
    const opened = Date.now();
    while (sum((await receiver.ask<{ times: Times }>()).times) < count) await sleep(200);
    const seconds = (Date.now() - opened) / 1000;
    const use = useOf(child);
    await end(child);
    say(`  peak RSS with all of it waiting: ${mb(filled.peakRss)}`);
    return { ...use, perSecond: count / seconds, filling: count / filling };
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
const whole = (value: number) => Math.round(value).toLocaleString('en');

const WINDOW_MS = 6_000;

/** One life at full speed; by turns some seconds alone and some with an audit at work, so that what drifts favours neither. */
async function audited(count: number, rounds: number): Promise<void> {
  await inWorld(async ({ mosaic, receiver, config }) => {
    mosaic.tell({ do: 'fill', count });
    await mosaic.ask();
    const child = startForwarder(config);
    const rate = async () => {
      const from = Date.now();
      await sleep(WINDOW_MS);
      const { times } = await receiver.ask<{ times: Times }>();
      const to = Date.now();
      if (sum(times) >= count) throw new Error('all events have arrived: give more of them with --events');
      return (sum(times.filter(([at]) => at >= from && at < to)) / (to - from)) * 1000;
    };
    await sleep(3 * WINDOW_MS);
    const ratios: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const before = await rate();
      const audit = startAudit(config);
      // What the start of any command takes, loading the program, is not the audit's.
      while (nicenessOf(audit) === 0) await sleep(50);
      const beside = await rate();
      if (audit.exitCode !== null) throw new Error('the audit ended too soon: give more events before it');
      await end(audit);
      const alone = (before + (await rate())) / 2;
      ratios.push(beside / alone);
      say(
        `  round ${round}: alone ${whole(alone)}/s, with an audit ${whole(beside)}/s, ratio ${ratios.at(-1)?.toFixed(3)}`,
      );
    }
    say(`ratio, median of ${rounds}: ${median(ratios).toFixed(3)}`);
    await end(child);
  });
}

async function main(): Promise<void> {
  const [events, rounds] = [Number(values.events), Number(values.rounds)];
  say(`${process.version}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${revision()}`);
  if (values.audit) return audited(events, rounds);
  say(`${whole(events)} events, ${rounds} rounds; events/s, CPU s per 1,000 events, peak RSS`);
  const ratios: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const [raw, ours] = [await pump(events), await forwarder(events)];
    ratios.push(ours.perSecond / raw.perSecond);
    for (const [name, run] of [
      ['raw pump', raw],
      ['forwarder', ours],
    ] as const) {
      const cpu = ((run.cpuSeconds / events) * 1000).toFixed(4);
      say(`  round ${round} ${name.padEnd(9)} ${whole(run.perSecond).padStart(8)}/s  ${cpu}  ${mb(run.peakRss)}`);
    }
  }
  say(`ratio ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')} (median ${median(ratios).toFixed(2)})`);
  const { p50, p99 } = await latency(Number(values.rate), 20);
  say(`at ${values.rate}/s, from Mosaic's answer to the receiver: p50 ${p50} ms, p99 ${p99} ms`);
  const waiting = Number(values.backlog);
  if (waiting === 0) return;
  say(`a backlog of ${whole(waiting)}:`);
  const run = await backlog(waiting);
  say(`  filled at ${whole(run.filling)}/s, drained at ${whole(run.perSecond)}/s, peak RSS ${mb(run.peakRss)}`);
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
}

function revision(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  } catch {
    return 'no git';
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
await main();
