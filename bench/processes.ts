import { type ChildProcess, fork, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const STREAM = 'verify/bench';
/** Activities in one answer of Mosaic, and in one request to the receiver. */
export const BATCH = 500;
const LAUNCHER = fileURLToPath(new URL('../bin/mosaic-siem.js', import.meta.url));

/** What the orchestrator tells its children. */
export type Order =
  | { readonly do: 'fill'; readonly count: number }
  | { readonly do: 'pace'; readonly perSecond: number }
  | { readonly do: 'rest' }
  | { readonly do: 'open'; readonly open: boolean }
  | { readonly do: 'report' };

/** [epoch ms, how many] in order of time. */
export type Times = readonly (readonly [number, number])[];

export interface Child<Hello> {
  readonly process: ChildProcess;
  readonly hello: Hello;
  tell(order: Order): void;
  ask<Reply>(): Promise<Reply>;
}

export async function startChild<Hello>(name: string): Promise<Child<Hello>> {
  const child = endingWithUs(fork(fileURLToPath(new URL(`${name}.ts`, import.meta.url))));
  const [hello] = (await once(child, 'message')) as [Hello];
  return {
    process: child,
    hello,
    tell: (order) => child.send(order),
    async ask<Reply>() {
      const reply = once(child, 'message');
      child.send({ do: 'report' } satisfies Order);
      return (await reply)[0] as Reply;
    },
  };
}

export function startForwarder(config: string): ChildProcess {
  return startCommand('run', config, 'inherit');
}

export function startAudit(config: string): ChildProcess {
  return startCommand('audit', config, 'ignore');
}

function startCommand(command: string, config: string, stderr: 'inherit' | 'ignore'): ChildProcess {
  const stdio = ['ignore', 'ignore', stderr] satisfies StdioOptions;
  return endingWithUs(spawn(process.execPath, [LAUNCHER, command, '--config', config], { stdio }));
}

export function startPump(parameters: readonly string[]): ChildProcess {
  return endingWithUs(fork(fileURLToPath(new URL('pump.ts', import.meta.url)), parameters));
}

/** One that is left behind by a measurement that failed would spoil the next. */
function endingWithUs(child: ChildProcess): ChildProcess {
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  return child;
}

/** How far a process stands back for others (Linux): 0 to 19. */
export function nicenessOf(child: ChildProcess): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
}

export interface Use {
  /** User and system time of the whole process, in seconds. */
  readonly cpuSeconds: number;
  /** Bytes; the highest so far. */
  readonly peakRss: number;
}

/** From /proc (Linux), of a process that runs. */
export function useOf(child: ChildProcess): Use {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
  return { cpuSeconds: ticks / 100, peakRss: Number(peak?.[1] ?? 0) * 1024 };
}
