import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { nameOfKey } from '../src/spool/seal.ts';
import { lockSpool, openSpool } from '../src/spool.ts';
import { withSql } from './fixtures/spool.ts';
import { fill, smash } from './fixtures/spool-damage.ts';

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});
const key = randomBytes(32);

/** A config and a spool of 60 pages. `key` is the one that the pages are encrypted with. */
async function newSetting(encryptionKey?: Uint8Array) {
  const folder = mkdtempSync(join(tmpdir(), 'commands-'));
  folders.push(folder);
  const path = join(folder, 'spool');
  const keys = encryptionKey ? { encryptionKey } : {};
  const spool = openSpool({ path, maxSize: 1024 ** 3, retentionMs: 1e12, count: () => 3, ...keys });
  await spool.start(
    [
      { name: 'splunk', start: 'latest' },
      { name: 'elastic', start: 'latest' },
    ],
    ['verify/siem'],
  );
  await fill(spool);
  await spool.close(true);
  const run = (parameters: readonly string[], more = '') => {
    const config = join(folder, 'forwarder.yaml');
    writeFileSync(config, configOf(folder, more));
    return call([...parameters, '--config', config]);
  };
  return { path, run };
}

function configOf(folder: string, more: string): string {
  return `mosaic:
  base_url: http://127.0.0.1:1/activities/v1
  client_id: client
  client_secret: s3cret
  streams: [{ type: verify, id: siem }]
spool: { path: ${join(folder, 'spool')}${more} }
status: off
sinks:
  splunk: { type: file, path: ${join(folder, 'splunk.ndjson')} }
  elastic: { type: file, path: ${join(folder, 'elastic.ndjson')} }
`;
}

interface Answer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function call(parameters: readonly string[]): Promise<Answer> {
  return new Promise((resolve) => {
    const options = { cwd: join(import.meta.dirname, '..') };
    execFile(process.execPath, ['src/main.ts', ...parameters], options, (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

const rowsOf = ({ stdout }: Answer) =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as object);

describe('mosaic-siem spool check', { concurrency: 2 }, () => {
  it('says that a sound spool is sound, while its owner is at work too', async () => {
    const { path, run } = await newSetting();
    const lock = lockSpool(path);
    const answer = await run(['spool', 'check']);
    lock.release();
    assert.deepEqual([answer.status, answer.stdout], [0, '']);
    assert.match(answer.stderr, /60 pages and 5 dead letters were read: the spool is sound/);
  });

  it('names each page that is damaged, and ends with 1', async () => {
    const { path, run } = await newSetting();
    withSql(path, (db) =>
      db.exec('UPDATE bodies SET sha256 = zeroblob(32) WHERE page IN (7, 50); DELETE FROM bodies WHERE page = 9'),
    );
    const answer = await run(['spool', 'check', '--json']);
    assert.equal(answer.status, 1);
    assert.deepEqual(
      rowsOf(answer).map((row) => ({ ...row, why: '' })),
      [7, 9, 50].map((page) => ({ page, dead_letter: null, why: '' })),
    );
    assert.match(answer.stderr, /60 pages and 5 dead letters were read: 3 things are wrong/);
    const plain = await run(['spool', 'check']);
    assert.match(plain.stdout, /^page 7 of the spool is damaged: its bytes do not match their checksum$/m);
  });

  it('says what SQLite finds wrong, and that a file is none', async () => {
    const { path, run } = await newSetting();
    const leaf = withSql(path, (db) => db.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get('settled'));
    smash(path, Number(leaf?.['rootpage']));
    const answer = await run(['spool', 'check']);
    assert.equal(answer.status, 1);
    assert.match(answer.stdout, /settled|malformed|[Tt]ree/);
    assert.doesNotMatch(answer.stdout, /\*\*\*|\\u\{/, 'line by line, without the heading of SQLite');
    assert.match(answer.stderr, /things? (is|are) wrong; see "When the spool is damaged" in docs\/operations\.md/);
    smash(path, 1);
    const none = await run(['spool', 'check']);
    assert.deepEqual([none.status, none.stdout], [1, '']);
    assert.match(none.stderr, /file is not a database; .*`mosaic-siem spool recover`/);
  });

  it('needs no key for the checksums of what is encrypted', async () => {
    const { path, run } = await newSetting(key);
    const answer = await run(['spool', 'check']);
    assert.equal(answer.status, 0);
    assert.match(answer.stderr, /65 are encrypted with a key that the config does not give/);
    withSql(path, (db) => db.exec('UPDATE bodies SET zstd = zeroblob(100) WHERE page = 3'));
    assert.match((await run(['spool', 'check'])).stdout, /^page 3 .*checksum$/m);
    const known = await run(['spool', 'check'], `, encryption_key: "${key.toString('hex')}"`);
    assert.deepEqual([known.status, known.stderr.includes('encrypted')], [1, false]);
  });
});

describe('mosaic-siem spool recover', { concurrency: 2 }, () => {
  it('says that nothing is to be done for a sound spool, and that there is none', async () => {
    const { path, run } = await newSetting();
    const answer = await run(['spool', 'recover']);
    assert.deepEqual([answer.status, answer.stdout], [0, 'the spool is sound: nothing is to be done\n']);
    rmSync(join(path, 'spool.db'));
    const none = await run(['spool', 'recover']);
    assert.deepEqual([none.status, none.stdout], [1, '']);
    assert.match(none.stderr, /there is no spool in /);
    assert.deepEqual(
      readdirSync(path).filter((name) => name.startsWith('spool')),
      [],
    );
  });

  it('makes nothing where there is no folder, and says of a folder in place of the file that it is none', async () => {
    const { path, run } = await newSetting();
    rmSync(path, { recursive: true });
    const none = await run(['spool', 'recover']);
    assert.equal(none.status, 1);
    assert.match(none.stderr, /there is no spool in /);
    assert.equal(existsSync(path), false);
    mkdirSync(join(path, 'spool.db'), { recursive: true });
    const folder = await run(['spool', 'recover']);
    assert.equal(folder.status, 1);
    assert.match(folder.stderr, /spool\.db: unable to open database file; it must be a file/);
  });

  it('needs no key: what it has done is told, also where the config lacks one', async () => {
    const { path, run } = await newSetting(key);
    withSql(path, (db) => db.exec('UPDATE bodies SET zstd = zeroblob(100) WHERE page = 50'));
    smash(path, 1);
    const answer = await run(['spool', 'recover', '--json']);
    assert.equal(answer.status, 0, answer.stderr);
    const [row] = rowsOf(answer) as { pages: number; set_aside: number[] }[];
    assert.deepEqual([row?.pages, row?.set_aside], [60, [50]]);
  });

  it('refuses while the owner is at work', async () => {
    const { path, run } = await newSetting();
    smash(path, 1);
    const lock = lockSpool(path);
    const answer = await run(['spool', 'recover']);
    lock.release();
    assert.equal(answer.status, 1);
    assert.match(answer.stderr, /is in use by process \d+/);
    assert.deepEqual(
      readdirSync(path).filter((name) => name.includes('damaged')),
      [],
    );
  });

  it('salvages the file, sets damaged pages aside, and says so', async () => {
    const { path, run } = await newSetting();
    withSql(path, (db) => db.exec('UPDATE bodies SET sha256 = zeroblob(32) WHERE page = 50'));
    smash(path, 1);
    const answer = await run(['spool', 'recover', '--json']);
    assert.equal(answer.status, 0, answer.stderr);
    const [row] = rowsOf(answer) as { damaged_file: string }[];
    const { damaged_file: file = '', ...rest } = row ?? {};
    assert.match(file, /spool-damaged-\d{8}T\d{6}Z\.db$/);
    const lost = { dead_letters_lost: 0, sinks: [], broken: [] };
    assert.deepEqual(rest, { pages: 60, damaged_pages: [], dead_letters: 5, ...lost, set_aside: [50] });
    const again = await run(['spool', 'recover']);
    assert.equal(again.stdout, 'the spool is sound: nothing is to be done\n');
  });
});

describe('a key that the config lacks', () => {
  it('ends audit with 78 as it ends run: it is the config that is to be mended', async () => {
    const { run } = await newSetting(key);
    const answer = await run(['audit']);
    assert.equal(answer.status, 78, answer.stderr);
    assert.match(
      answer.stderr,
      new RegExp(`page 1 of the spool is encrypted with key ${nameOfKey(key)}: add that key`),
    );
  });
});

describe('mosaic-siem run', () => {
  it('ends with 78 and the name of the key that the config lacks', async () => {
    const { run } = await newSetting(key);
    const answer = await run(['run'], `, encryption_key: ${randomBytes(32).toString('base64')}`);
    assert.equal(answer.status, 78, answer.stderr);
    assert.match(answer.stderr, new RegExp(`60 pages and 5 dead letters with key ${nameOfKey(key)}, which the config`));
  });
});
