/** `npm run test:faults [-- --seed N] [--kills N] [--only NAME] [--minutes N]`: breaks everything and counts what is left. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { randomFrom } from '../../src/simulator/random.ts';
import { type Campaign, endAll, Tally, within } from './campaign.ts';
import { clock } from './clock.ts';
import { diskErrors } from './disk-errors.ts';
import { diskFull } from './disk-full.ts';
import { kills } from './kills.ts';
import { mosaicTrouble } from './mosaic-trouble.ts';
import { readOnly } from './read-only.ts';
import { realElasticsearch } from './real-elasticsearch.ts';
import { sinkTrouble } from './sink-trouble.ts';
import { soak } from './soak.ts';

const CAMPAIGNS: readonly Campaign[] = [
  kills,
  diskFull,
  diskErrors,
  readOnly,
  clock,
  mosaicTrouble,
  sinkTrouble,
  realElasticsearch,
  soak,
];

const { seed, only, ...sizes } = readOptions();
console.log(`seed ${seed} (again: npm run test:faults -- --seed ${seed} --kills ${sizes.kills})`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void interrupt(signal));
const chosen = CAMPAIGNS.filter(({ name, byHand }) => (only.length > 0 ? only.includes(name) : !byHand));
const tallies = new Map<string, Tally>();
const alone = chosen.filter(({ besides }) => !besides);
const results: boolean[] = [];
for (const campaign of alone) results.push(await runCampaign(campaign));
results.push(...(await Promise.all(chosen.filter(({ besides }) => besides).map(runCampaign))));
const failed = results.includes(false);
printTable(tallies);
printCases(tallies);
if (failed) console.log('\nFAILED');
else console.log(tallies.size === 0 ? '\nnothing could be run' : '\nmissing 0, changed 0, invented 0: nothing is lost');
process.exit(failed ? 1 : 0);

/** Leaves nothing behind, and says what there is until now. */
async function interrupt(signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  await endAll();
  printTable(tallies);
  printCases(tallies);
  console.log('\nINTERRUPTED');
  process.exit(signal === 'SIGINT' ? 130 : 143);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: String(randomInt(2 ** 31)) },
        kills: { type: 'string', default: '40' },
        only: { type: 'string', multiple: true, default: [] },
        minutes: { type: 'string', default: '2' },
      },
    });
    const [seed = 0, kills = 0, minutes = 0] = [values.seed, values.kills, values.minutes].map(positive);
    const unknown = values.only.filter((name) => !CAMPAIGNS.some((campaign) => campaign.name === name));
    const names = CAMPAIGNS.map(({ name }) => name).join(', ');
    if (unknown.length > 0) throw new Error(`no campaign ${unknown.join(', ')}; there are ${names}`);
    return { seed, kills, minutes, only: values.only };
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

function positive(text: string): number {
  const number = Number(text);
  if (number > 0) return number;
  throw new Error(`expected a number above 0, not ${text}`);
}

async function runCampaign(campaign: Campaign): Promise<boolean> {
  const lack = await campaign.lacks?.();
  if (lack !== undefined) {
    const inCi = Boolean(process.env['CI']);
    console.log(`${campaign.name}: ${inCi ? 'cannot run, and must in CI' : 'skipped'}: ${lack}`);
    return !inCi;
  }
  const tally = new Tally();
  tallies.set(campaign.name, tally);
  const began = performance.now();
  const random = randomFrom(seed ^ hash(campaign.name));
  const options = { random, tally, ...sizes };
  try {
    await within((scope) => campaign.run({ ...options, scope, progress: (text) => progress(campaign.name, text) }));
  } catch (error) {
    tally.fault((error as Error).stack ?? String(error));
  }
  progress('', '');
  const seconds = Math.round((performance.now() - began) / 1000);
  for (const name of tally.absent) tally.fault(`a hard case that must happen did not: ${name}`);
  console.log(`${campaign.name}: ${tally.failed ? 'FAILED' : 'passed'} in ${seconds} s; ${inWords(tally)}`);
  for (const fault of tally.faults.slice(0, 20)) console.log(`  ${fault.replaceAll('\n', '\n  ')}`);
  return !tally.failed;
}

function inWords(tally: Tally): string {
  const { activities, missing, changed, invented, deadExpected, deadFound, recovered } = tally;
  return `${activities} activities, missing ${missing}, changed ${changed}, invented ${invented}, dead letters ${deadFound} of ${deadExpected}, recovered by itself ${recovered} times`;
}

function progress(name: string, text: string): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r\u001b[K${name && `${name}: ${text}`}`);
}

function hash(text: string): number {
  return [...text].reduce((sum, character) => (Math.imul(sum, 31) + character.charCodeAt(0)) | 0, 7);
}

function printTable(all: ReadonlyMap<string, Tally>): void {
  const rows = [...all].map(([campaign, tally]) => ({
    campaign,
    activities: tally.activities,
    missing: tally.missing,
    changed: tally.changed,
    invented: tally.invented,
    'dead letters expected': tally.deadExpected,
    'dead letters found': tally.deadFound,
    'recovered by itself': tally.recovered,
  }));
  const heads = Object.keys(rows[0] ?? {});
  const lines = [heads, ...rows.map((row) => Object.values(row).map(String))];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  console.log('');
  for (const line of lines)
    console.log(
      line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
    );
}

function printCases(all: ReadonlyMap<string, Tally>): void {
  console.log('\nHow often each hard case happened (* must happen):');
  for (const [campaign, { cases }] of all)
    for (const [name, { count, needed }] of [...cases].sort(([a], [b]) => (a < b ? -1 : 1)))
      console.log(`${String(count).padStart(9)} ${needed ? '*' : ' '} ${campaign}: ${name}`);
}
