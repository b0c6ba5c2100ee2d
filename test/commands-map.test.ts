import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(words: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess {
  const env = { ...process.env, ...environment };
  return spawn(process.execPath, ['src/main.ts', ...words], { cwd: join(import.meta.dirname, '..'), env });
}

async function run(
  words: readonly string[],
  input: string | Uint8Array = '',
  environment: Readonly<Record<string, string>> = {},
): Promise<Result> {
  const child = start(words, environment);
  assert.ok(child.stdin && child.stdout && child.stderr);
  child.stdin.on('error', () => undefined).end(input);
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status, stdout, stderr };
}

interface Mapped {
  readonly '@timestamp': string;
  readonly event: { readonly code: string; readonly created: string; readonly id: string };
  readonly error?: { readonly type: string };
  readonly tags: readonly string[];
}

async function map(input: string | Uint8Array, ...words: readonly string[]): Promise<Mapped[]> {
  const { status, stdout, stderr } = await run(['map', '-', ...words], input);
  assert.deepEqual([status, stderr], [0, '']);
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Mapped);
}

const codes = (events: readonly Mapped[]) => events.map(({ event }) => event.code);
const activity = (name: string, timestamp: unknown = 1700000000000) => JSON.stringify({ activity: name, timestamp });

describe('map', () => {
  it('takes an array, an object, a wrapped list, or one activity a line', async () => {
    const [redirect, deleted] = [activity('redirect'), activity('session_deleted')];
    const both = ['redirect', 'session_deleted'];
    assert.deepEqual(codes(await map(`[${redirect}, ${deleted}]`)), both);
    assert.deepEqual(codes(await map(`{ "events": [${redirect}, ${deleted}] }`)), both);
    assert.deepEqual(codes(await map(`${redirect}\r\n\r\n${deleted}\r\n`)), both);
    assert.deepEqual(codes(await map(` ${redirect}`)), ['redirect']);
  });

  it('gives every line its event, also beside one that is no JSON', async () => {
    const lines = ['{"activity": "redi', activity('redirect'), '{not JSON', '[1, 2', activity('session_deleted')];
    const events = await map(lines.join('\n'));
    const wrong = 'pipeline_error';
    assert.deepEqual(codes(events), [wrong, 'redirect', wrong, wrong, wrong, 'session_deleted']);
    assert.equal(new Set(events.map(({ event }) => event.id)).size, 6);
  });

  it('says what garbage is, and prints nothing for an empty answer', async () => {
    const [garbage] = await map(new Uint8Array([0, 255, 1, 128]));
    assert.equal(garbage?.error?.type, 'not_json');
    for (const empty of ['', '{}']) {
      const { status, stdout, stderr } = await run(['map'], empty);
      assert.deepEqual([status, stdout], [0, ''], empty);
      assert.match(stderr, /^nothing to map: /);
    }
  });

  it('goes on when nobody reads its explanations', async () => {
    const child = start(['map', '--explain']);
    assert.ok(child.stdin && child.stdout && child.stderr);
    child.stderr.destroy();
    child.stdin.end(`[${Array(500).fill(activity('redirect')).join()}]`);
    const [stdout, [status]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    assert.deepEqual([status, stdout.split('\n').length], [0, 501]);
  });

  it('prints nothing that could steer a terminal', async () => {
    const evil = { activity: 'error\u202e', errorDescription: 'a\u009b31mb', note: '\u2028' };
    const input = JSON.stringify([{ ...evil, activity: 'error' }, evil]);
    for (const format of ['ecs', 'hec', 'rfc5424']) {
      const { status, stdout, stderr } = await run(['map', '--explain', '--format', format], input);
      assert.equal(status, 0);
      assert.doesNotMatch(stdout + stderr, /[\u0080-\u009f\u2028\u202e]/, format);
      assert.match(stdout, /a\\u009b31mb/);
    }
  });

  it('gives the same events whatever the time zone', async () => {
    const input = `[${activity('redirect', '2023-11-14T22:13:20')}]`;
    const here = await run(['map'], input, { TZ: 'UTC' });
    const there = await run(['map'], input, { TZ: 'Asia/Tokyo' });
    assert.equal(there.stdout, here.stdout);
    const [event] = await map(input, '--received-at', '2023-11-14T22:13:21');
    assert.equal(event?.event.created, '2023-11-14T22:13:21.000Z');
    assert.ok(!event.tags.includes('idv_bad_timestamp'));
  });

  it('ends quietly when its reader has seen enough', async () => {
    const input = `[${Array(5000).fill(activity('redirect')).join()}]`;
    const child = start(['map']);
    assert.ok(child.stdin && child.stdout && child.stderr);
    child.stdin.on('error', () => undefined).end(input);
    child.stdout.once('data', () => child.stdout?.destroy());
    const [stderr, [status]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    assert.deepEqual([status, stderr], [0, '']);
  });

  it('says what is wrong with its command line', async () => {
    const cases: readonly (readonly [words: readonly string[], status: number, said: RegExp])[] = [
      [['nowhere.json'], 1, /nowhere\.json cannot be read: there is no such file/],
      [['--format', 'xml'], 2, /--format xml is none of ecs, hec, rfc5424/],
      [['--stream', 'siem'], 2, /--stream siem: expected TYPE\/ID/],
      [['--received-at', 'yesterday'], 2, /--received-at yesterday is no time; expected as in 2026/],
      [['--colour'], 2, /unknown option '--colour'/],
    ];
    for (const [words, status, said] of cases) {
      const result = await run(['map', ...words], '[1]');
      assert.deepEqual([result.status, result.stdout], [status, ''], words.join(' '));
      assert.match(result.stderr, said);
      assert.doesNotMatch(result.stderr, /^\s+at /m);
    }
  });
});
