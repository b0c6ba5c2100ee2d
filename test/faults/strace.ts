/** Faults of system calls, put into a process that runs: strace comes, spoils them, and goes. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Daemon } from '../fixtures/process.ts';

export function lacksStrace(): string | undefined {
  if (process.platform !== 'linux') return 'system calls can be spoilt on Linux only';
  try {
    execFileSync('strace', ['-e', 'trace=none', 'true'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `strace is needed (apt-get install strace), with the right to trace: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** @param faults as strace takes them: `fsync,fdatasync:error=EIO` */
async function attach(daemon: Daemon, faults: readonly string[], output: string): Promise<ChildProcess> {
  const calls = faults.map((fault) => fault.split(':')[0]).join(',');
  const inject = faults.flatMap((fault) => ['-e', `inject=${fault}`]);
  const child = spawn('strace', ['-f', '-p', `${daemon.pid}`, '-o', output, '-e', `trace=${calls}`, ...inject], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.on('error', () => undefined);
  let said = '';
  child.stderr?.on('data', (data: Buffer) => {
    said += data.toString();
  });
  while (child.exitCode === null && child.signalCode === null && !said.includes('attached')) await sleep(2);
  return child;
}

/**
 * Spoils system calls for a while. Resolves when they work again, with how many were spoilt.
 * @param during is told how many have been spoilt so far
 */
export async function spoilt(
  daemon: Daemon,
  faults: readonly string[],
  during: (spoilt: () => number) => Promise<void>,
): Promise<number> {
  const output = join(dirname(daemon.config), 'strace');
  const count = () => readFileSync(output, 'utf8').match(/\(INJECTED/g)?.length ?? 0;
  const strace = await attach(daemon, faults, output);
  if (strace.exitCode !== null) throw new Error(`strace ended with ${strace.exitCode}`);
  try {
    await during(count);
  } finally {
    await detach(strace);
  }
  return count();
}

/** kill -9 in the n-th such call from now on; false where that did not come within 3 s. */
export async function killInWrite(daemon: Daemon, n: number, call: 'pwrite64' | 'fdatasync'): Promise<boolean> {
  const strace = await attach(
    daemon,
    [`${call}:signal=KILL:when=${call === 'fdatasync' ? Math.ceil(n / 10) : n}`],
    '/dev/null',
  );
  for (const end = performance.now() + 3_000; daemon.running && performance.now() < end; ) await sleep(5);
  const done = !daemon.running;
  await detach(strace);
  return done;
}

async function detach(strace: ChildProcess): Promise<void> {
  if (strace.exitCode !== null || strace.signalCode !== null) return;
  const ended = once(strace, 'exit');
  strace.kill('SIGINT');
  await ended;
}
