import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { startApp } from '../app.ts';
import { type Config, loadConfig } from '../config.ts';
import { activitySource } from '../simulator/sessions.ts';
import { startWorld, type World } from '../simulator/world.ts';
import { packageFile, readVersion } from '../version.ts';
import { decimal } from '../words.ts';
import { print } from './print.ts';
import { remarkStopped, type Signals, takeSignals } from './signals.ts';

interface Options {
  readonly listen?: string;
  readonly rate: number;
}

const STREAM = 'verify/demo';
const AT_ONCE = 300;
const COUNT_EVERY_MS = 10_000;

export function demoCommand(): Command {
  return new Command('demo')
    .description('a simulated Mosaic and three simulated SIEMs in this process: the status page, live events')
    .option(
      '--listen <host:port>',
      'of the status page; default: 127.0.0.1:8686, or a free port where that is taken',
      readListen,
    )
    .option('--rate <n>', 'activities per second', readRate, 8)
    .addHelpText(
      'after',
      '\nIt keeps nothing, and runs until it is stopped. To let other machines see the page, set MOSAIC_SIEM_STATUS_TOKEN.' +
        '\n\nExample:\n  mosaic-siem demo --rate 2',
    )
    .action(async (options: Options) => {
      const folder = mkdtempSync(join(tmpdir(), 'mosaic-siem-demo-'));
      process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
      const signals = takeSignals(['SIGTERM', 'SIGINT', 'SIGHUP'], ['SIGUSR2']);
      // Nobody reads any more, as with `| head`.
      process.stdout.on('error', () => process.exit(0));
      const apiKey = randomUUID();
      const world = await startWorld(STREAM, apiKey);
      try {
        const config = await demoConfig(world, { folder, apiKey, listen: options.listen });
        if (signals.stopped) remarkStopped();
        else await play(world, config, { rate: options.rate, signals });
      } finally {
        await world.close();
      }
      process.exit(0);
    });
}

function readRate(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 5000) return value;
  throw new InvalidArgumentError('It is a number above 0, at most 5000.');
}

function readListen(text: string): string {
  const port = Number(/^(?:\[[^\]]+\]|[^\s:]+):(\d+)$/.exec(text)?.[1] ?? Number.NaN);
  if (port <= 65_535) return text;
  throw new InvalidArgumentError('It is HOST:PORT, as 127.0.0.1:8686 or [::1]:8686.');
}

interface Surroundings {
  readonly folder: string;
  readonly apiKey: string;
  readonly listen: string | undefined;
}

async function demoConfig(world: World, { folder, apiKey, listen }: Surroundings): Promise<Config> {
  return loadConfig(fileURLToPath(packageFile('config/demo.yaml')), sinks, {
    DEMO_MOSAIC_URL: world.mosaic.baseUrl,
    DEMO_TOKEN_URL: world.mosaic.tokenUrl,
    DEMO_CLIENT_SECRET: world.mosaic.dials.clientSecret,
    DEMO_FOLDER: join(folder, 'spool'),
    DEMO_SPLUNK_URL: world.splunk.url,
    DEMO_SPLUNK_TOKEN: world.splunk.token,
    DEMO_ELASTIC_URL: world.elastic.url,
    DEMO_ELASTIC_KEY: apiKey,
    DEMO_SYSLOG_ADDRESS: world.soc.address,
    DEMO_LISTEN: listen ?? ((await isFree(8686)) ? '127.0.0.1:8686' : '127.0.0.1:0'),
    DEMO_STATUS_TOKEN: process.env['MOSAIC_SIEM_STATUS_TOKEN'] || randomUUID(),
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

interface Play {
  readonly rate: number;
  readonly signals: Signals;
}

async function play(world: World, config: Config, { rate, signals }: Play): Promise<void> {
  const app = await startApp(config, readVersion());
  signals.passTo(app);
  print(`status page: ${reachable(app.url ?? '')}   (Ctrl+C ends the demo)`);
  print('Activities of a simulated Mosaic, on their way to a simulated Splunk, Elasticsearch and syslog receiver:');
  const source = activitySource({ rate, underWay: 6, forged: 0.5, startAt: Date.now() - (AT_ONCE / rate) * 1000 });
  world.mosaic.enqueue(STREAM, source.take(AT_ONCE));
  world.mosaic.flow(STREAM, rate, source);
  const counting = setInterval(() => print(counts(world)), COUNT_EVERY_MS);
  await app.ended;
  clearInterval(counting);
  print(counts(world));
}

/** An address that a browser on this machine can open. */
function reachable(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//127.0.0.1:');
}

function counts({ mosaic, splunk, elastic, soc }: World): string {
  const rows = {
    'handed out by Mosaic': mosaic.ledger.books(STREAM).handedOut,
    Splunk: splunk.ledger.size,
    Elasticsearch: elastic.stored.size,
    syslog: soc.ledger.size,
  };
  const parts = Object.entries(rows).map(([name, count]) => `${name} ${decimal(count)}`);
  return `so far: ${parts.join(' · ')}`;
}
