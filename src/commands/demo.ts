import { randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { startApp } from '../app.ts';
import { didYouMean } from '../config/mistakes.ts';
import { type Config, loadConfig } from '../config.ts';
import { playAlone, SCENARIOS, type Scenario } from '../simulator/attacks/index.ts';
import { playLive } from '../simulator/attacks/live.ts';
import { activitySource } from '../simulator/sessions.ts';
import { startWorld, type World } from '../simulator/world.ts';
import { packageFile, readVersion } from '../version.ts';
import { decimal } from '../words.ts';
import { print } from './print.ts';
import { remarkStopped, type Signals, takeSignals } from './signals.ts';

interface Options {
  readonly attack?: string;
  readonly listen?: string;
  readonly rate: number;
}

const STREAM = 'verify/demo';
const AT_ONCE = 300;
const COUNT_EVERY_MS = 10_000;
const ATTACK_AFTER_MS = 5_000;
const ATTACK_TAKES_MS = 40_000;
const LIST = 'list';

export function demoCommand(): Command {
  return new Command('demo')
    .description('a simulated Mosaic and three simulated SIEMs in this process: the status page, live events')
    .option(
      '--listen <host:port>',
      'of the status page; default: 127.0.0.1:8686, or a free port where that is taken',
      readListen,
    )
    .option('--rate <n>', 'activities per second', readRate, 8)
    .option(
      '--attack <name>',
      'plays an attack over ordinary applicants, for the detections to find; `list` names them',
      readAttack,
    )
    .addHelpText(
      'after',
      '\nIt keeps nothing, and runs until it is stopped. To let other machines see the page, set MOSAIC_SIEM_STATUS_TOKEN.' +
        '\n\nExample:\n  mosaic-siem demo --rate 2\n  mosaic-siem demo --attack rejection-velocity',
    )
    .action(async (options: Options) => {
      if (options.attack === LIST) {
        for (const { name, attack } of SCENARIOS) print(`${name.padEnd(32)}${attack.tells}`);
        return;
      }
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
        else await play(world, config, { rate: options.rate, attack: scenarioNamed(options.attack), signals });
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

function readAttack(text: string): string {
  if (text === LIST || scenarioNamed(text)) return text;
  const names = [LIST, ...SCENARIOS.map(({ name }) => name)];
  throw new InvalidArgumentError(`There is no such attack${didYouMean(text, names)}; --attack list names them.`);
}

function scenarioNamed(name: string | undefined): Scenario | undefined {
  return SCENARIOS.find((scenario) => scenario.name === name);
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
  readonly attack: Scenario | undefined;
  readonly signals: Signals;
}

async function play(world: World, config: Config, { rate, attack, signals }: Play): Promise<void> {
  const app = await startApp(config, readVersion());
  signals.passTo(app);
  print(`status page: ${reachable(app.url ?? '')}   (Ctrl+C ends the demo)`);
  print('Activities of a simulated Mosaic, on their way to a simulated Splunk, Elasticsearch and syslog receiver:');
  const forged = attack ? 0 : 0.5;
  const source = activitySource({ rate, underWay: 6, forged, startAt: Date.now() - (AT_ONCE / rate) * 1000 });
  world.mosaic.enqueue(STREAM, source.take(AT_ONCE));
  const flow = world.mosaic.flow(STREAM, rate, source);
  const counting = setInterval(() => print(counts(world)), COUNT_EVERY_MS);
  const attacking = attack && setTimeout(() => strike(world, attack, flow), ATTACK_AFTER_MS);
  await app.ended;
  clearTimeout(attacking);
  clearInterval(counting);
  print(counts(world));
}

/** Where silence is the attack, Mosaic hands out nothing more. */
function strike({ mosaic }: World, { name, attack }: Scenario, flow: { stop(): void }): void {
  const activities = playAlone(attack, { seed: randomInt(2 ** 31), end: Date.now() });
  print(`attack ${name} begins: ${attack.tells}`);
  const ended = () => print(`attack ${name} has been played: ${decimal(activities.length)} activities`);
  if (activities.length === 0) flow.stop();
  else playLive(mosaic, activities, { stream: STREAM, overMs: ATTACK_TAKES_MS, ended });
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
