/**
 * Servers that nobody here wrote. Each has a script in servers/: `NAME.sh fetch` puts what it needs into the cache,
 * `NAME.sh run` becomes the server. README.md says what a script is given.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../fixtures/process.ts';

/** A `TestContext`, or what `shared` gives. */
export interface Ends {
  after(end: () => Promise<void>): void;
}

export interface ServerSettings {
  /** More of the script's environment: each name is the script's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Default `http`: the scheme of `url`. */
  readonly scheme?: string;
  /** False or an error: not yet. Default: the port takes connections. */
  readonly ready?: (server: Pick<Server, 'port' | 'url' | 'folder' | 'log'>) => Promise<boolean>;
  /** Default 120,000. */
  readonly patienceMs?: number;
}

export interface Server {
  readonly url: string;
  readonly port: number;
  /** Of the present life: it leads a process group of its own. */
  readonly pid: number;
  /** New for each server; the script keeps everything here. */
  readonly folder: string;
  /** What all lives have written to stdout and stderr. */
  log(): string;
  /** SIGTERM, and SIGKILL after 20 s. Resolves when the process has ended. */
  stop(): Promise<void>;
  /** SIGKILL for the whole process group. */
  kill(): Promise<void>;
  /** Another life on the same port and in the same folder; resolves when it is ready. */
  start(): Promise<void>;
}

const SCRIPTS = fileURLToPath(new URL('./servers/', import.meta.url));
// Elasticsearch refuses to run as root, and whoever it runs as then must get into this folder.
const CACHES = process.getuid?.() === 0 ? '/var/cache' : join(homedir(), '.cache');
export const CACHE = process.env['MOSAIC_SIEM_TEST_CACHE'] || join(CACHES, 'mosaic-siem-forwarder-test');

const fetching = new Map<string, Promise<string | undefined>>();

/** Puts a server into the cache, where it is not there yet. Gives the reason why it cannot be had. */
export function fetchServer(name: string): Promise<string | undefined> {
  const known = fetching.get(name) ?? runFetch(name);
  fetching.set(name, known);
  return known;
}

async function runFetch(name: string): Promise<string | undefined> {
  const script = spawn('bash', [join(SCRIPTS, `${name}.sh`), 'fetch'], {
    env: { ...process.env, MOSAIC_SIEM_TEST_CACHE: CACHE },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  script.stderr.on('data', (data: Buffer) => {
    said += data.toString();
    process.stderr.write(data);
  });
  const [status] = (await once(script, 'close')) as [number | null];
  return status === 0 ? undefined : `${name} cannot be had: ${said.trim().split('\n').slice(-3).join(' / ') || status}`;
}

/**
 * For the `skip` of a test: false, or why one of these servers cannot be had. In CI that fails instead, since a suite
 * that skips what it is for proves nothing.
 */
export async function lacking(...names: readonly string[]): Promise<string | false> {
  for (const name of names) {
    const reason = await fetchServer(name);
    if (reason && process.env['CI'] === 'true') throw new Error(reason);
    if (reason) return reason;
  }
  return false;
}

/** Fetches, starts on a free port in a new folder, and waits. Ended with the test, and when this process dies. */
export async function startServer(context: Ends, name: string, settings: ServerSettings = {}): Promise<Server> {
  const lack = await fetchServer(name);
  if (lack) throw new Error(lack);
  const server = new RealServer(name, settings, await freePort());
  context.after(() => server.end());
  await server.start();
  return server;
}

/** For the tests of one `describe`, which calls this: started before the first of them, ended after the last. */
export function shared<Started>(start: (context: Ends) => Promise<Started>): () => Started {
  const ends: (() => Promise<void>)[] = [];
  let started: Started | undefined;
  before(async () => {
    started = await start({ after: (end) => void ends.unshift(end) });
  });
  after(async () => {
    for (const end of ends) await end();
  });
  return () => started ?? fail();
}

function fail(): never {
  throw new Error('asked for before the first test');
}

/** The guard waits for the end of this process, however that comes, and then ends the server's process group. */
const GUARD = `exec 3<&0 </dev/null
setsid bash -c 'cat <&3 >/dev/null; kill -KILL -- -$0' $$ >/dev/null 2>&1 &
exec 3<&-
exec bash "$0" run`;

class RealServer implements Server {
  readonly port: number;
  readonly url: string;
  readonly folder: string;
  readonly #name: string;
  readonly #settings: ServerSettings;
  #child: ChildProcess | undefined;

  constructor(name: string, settings: ServerSettings, port: number) {
    this.#name = name;
    this.#settings = settings;
    this.port = port;
    this.url = `${settings.scheme ?? 'http'}://127.0.0.1:${port}`;
    this.folder = mkdtempSync(join(tmpdir(), `mosaic-siem-${name}-`));
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  log(): string {
    const file = this.#logFile;
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  async start(): Promise<void> {
    if (this.#alive) throw new Error(`${this.#name} is running`);
    const log = openSync(this.#logFile, 'a');
    const child = spawn('bash', ['-c', GUARD, join(SCRIPTS, `${this.#name}.sh`)], {
      detached: true,
      stdio: ['pipe', log, log],
      env: {
        ...process.env,
        MOSAIC_SIEM_TEST_CACHE: CACHE,
        ...this.#settings.environment,
        PORT: String(this.port),
        DIR: this.folder,
      },
    });
    closeSync(log);
    this.#child = child;
    await this.#untilReady();
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #untilReady(): Promise<void> {
    const { ready = takesConnections, patienceMs = 120_000 } = this.#settings;
    for (const end = performance.now() + patienceMs; ; await sleep(100)) {
      if (!this.#alive) throw new Error(`${this.#name} ended before it was ready:\n${this.log().slice(-4_000)}`);
      if (await ready(this).catch(() => false)) return;
      if (performance.now() > end)
        throw new Error(`${this.#name} is not ready after ${patienceMs} ms:\n${this.log().slice(-4_000)}`);
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    const ended = child.exitCode !== null || child.signalCode !== null ? undefined : once(child, 'exit');
    signalGroup(child.pid, signal);
    const late = ended && setTimeout(() => signalGroup(child.pid ?? 0, 'SIGKILL'), 20_000);
    await ended;
    clearTimeout(late);
    // What the leader has left behind of its group; it holds the port until it is gone.
    signalGroup(child.pid, 'SIGKILL');
    child.stdin?.destroy();
    while (await takesConnections(this).catch(() => false)) await sleep(50);
  }

  get #logFile(): string {
    return join(this.folder, 'server.log');
  }

  get #alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export function takesConnections({ port }: { readonly port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
      .once('connect', () => {
        socket.destroy();
        resolve(true);
      })
      .once('error', () => resolve(false));
  });
}
