import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBodies } from '../src/spool/bodies.ts';
import { createSealer, MissingKey, nameOfKey } from '../src/spool/seal.ts';
import { openSpoolReader } from '../src/spool.ts';
import type { Spool } from '../src/types.ts';
import {
  behind,
  body,
  collect,
  letter,
  newFolder,
  newSpool,
  readAll,
  settled,
  started,
  withSql,
} from './fixtures/spool.ts';
import { smash } from './fixtures/spool-damage.ts';

const never = new AbortController().signal;
const EMAIL = 'olga.applicant@example.com';
const [first, second] = [randomBytes(32), randomBytes(32)];

/** A page that zstd stores as it is, since it is short and noise, and two dead letters: one short, one long. */
async function plant(spool: Spool): Promise<void> {
  const page = await collect(spool, Buffer.from(`["${EMAIL}"]`));
  const long = `${EMAIL}${randomBytes(6_000).toString('base64')}`;
  const dead = [EMAIL, long].map((raw, index) => letter(page, index, 'refused', raw));
  await spool.commit('splunk', behind(page), [settled(page, 0, dead)]);
}

/** What somebody finds who has the files, and no key. */
function filesOf(path: string): Buffer {
  return Buffer.concat(
    ['spool.db', 'spool.db-wal']
      .map((name) => join(path, name))
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file)),
  );
}

async function lettersOf(spool: Pick<Spool, 'deadLetters'>): Promise<string[]> {
  const letters = await Array.fromAsync(spool.deadLetters({}));
  return letters.map(({ activity }) => Buffer.from(activity.raw).toString().slice(0, EMAIL.length));
}

test('with a key nothing that an applicant typed is found in the files, and all of it is read back', async (t) => {
  const { spool, path } = await started(t, { encryptionKey: first });
  const plain = await started(t);
  for (const each of [spool, plain.spool]) await plant(each);
  assert.ok(filesOf(plain.path).includes(EMAIL), 'without a key it is found');
  assert.equal(filesOf(path).includes(EMAIL), false);
  await spool.close(true);
  assert.equal(filesOf(path).includes(EMAIL), false);

  const { spool: again } = await started(t, { path, encryptionKey: first });
  assert.equal(Buffer.from((await again.read({ page: 1, index: 0 }, never)).body).toString(), `["${EMAIL}"]`);
  assert.deepEqual(await lettersOf(again), [EMAIL, EMAIL]);
});

test('what was stored before stays readable, a new key takes over, and the old one can be given up for writing', async (t) => {
  const { spool: plain, path } = await started(t);
  await plant(plain);
  await plain.close(true);
  const keyed = [{ encryptionKey: first }, { encryptionKey: second, oldKeys: [first] }, { oldKeys: [first, second] }];
  for (const keys of keyed) {
    const { spool } = await started(t, { path, ...keys });
    await plant(spool);
    await spool.close(true);
  }
  const { spool } = await started(t, { path, oldKeys: [second, first] });
  const pages = await readAll(spool);
  assert.deepEqual(
    pages.map(({ body: bytes, damaged }) => [Buffer.from(bytes).toString(), damaged]),
    Array.from({ length: 4 }, () => [`["${EMAIL}"]`, undefined]),
  );
  assert.deepEqual(
    await lettersOf(spool),
    Array.from({ length: 8 }, () => EMAIL),
  );
  const keys = withSql(path, (db) => db.prepare('SELECT key FROM bodies ORDER BY page').all());
  assert.deepEqual(
    keys.map(({ key }) => key),
    [null, nameOfKey(first), nameOfKey(second), null],
  );
});

test('a key that is missing stops the start with a sentence; nothing is taken for damaged', async (t) => {
  const { spool, path } = await started(t, { encryptionKey: first });
  await plant(spool);
  await plant(spool);
  await spool.close(true);
  const before = readFileSync(join(path, 'spool.db'));
  const name = nameOfKey(first);
  const said = new RegExp(`2 pages and 4 dead letters with key ${name}.*add each such key to spool\\.old_keys`);
  for (const keys of [{}, { encryptionKey: second }, { oldKeys: [second] }]) {
    assert.throws(
      () => newSpool(t, { path, ...keys }),
      (error: Error) => error instanceof MissingKey && said.test(error.message),
    );
  }
  assert.deepEqual(readFileSync(join(path, 'spool.db')), before);
  const reader = openSpoolReader(path, { encryptionKey: second });
  t.after(() => reader.close());
  await assert.rejects(Array.fromAsync(reader.deadLetters({})), new RegExp(`encrypted with key ${name}`));
  const steps = await Array.fromAsync(reader.check());
  assert.deepEqual(steps.at(-1)?.done, { pages: 2, deadLetters: 4, sealed: 6 });
  assert.deepEqual(
    steps.flatMap(({ findings }) => findings),
    [],
  );
});

test('a record that was changed or moved to another place does not open', async (t) => {
  const { spool, path } = await started(t, { encryptionKey: first });
  for (let n = 0; n < 3; n++) await plant(spool);
  await spool.close(true);
  withSql(path, (db) => {
    db.exec(`CREATE TEMP TABLE one AS SELECT * FROM bodies WHERE page = 1;
      UPDATE bodies SET (sha256, zstd) = (SELECT sha256, zstd FROM bodies WHERE page = 2) WHERE page = 1;
      UPDATE bodies SET (sha256, zstd) = (SELECT sha256, zstd FROM one) WHERE page = 2;
      UPDATE dead_letters SET raw = (SELECT raw FROM dead_letters WHERE id = 3) WHERE id = 1`);
  });
  const { spool: again } = await started(t, { path, encryptionKey: first });
  const pages = await readAll(again);
  assert.deepEqual(
    pages.map(({ damaged }) => damaged),
    [1, 2]
      .map((page) => `page ${page} of the spool is damaged: its bytes were changed, or moved here from another place`)
      .concat(undefined as never),
  );
  const letters = await Array.fromAsync(again.deadLetters({}));
  assert.match(letters[0]?.damaged ?? '', /^the activity of dead letter 1 is damaged: .*moved here/);
  assert.deepEqual([letters[0]?.activity.raw.length, letters[0]?.reason], [0, 'refused']);
  assert.deepEqual(
    letters.slice(1).map(({ damaged }) => damaged),
    [undefined, undefined, undefined, undefined, undefined],
  );
});

test('a salvage needs no key, and loses none', async (t) => {
  const { spool, path } = await started(t, { encryptionKey: first });
  for (let n = 0; n < 5; n++) await plant(spool);
  await spool.close(true);
  smash(path, 1);
  assert.throws(() => newSpool(t, { path }), MissingKey);
  const { spool: again } = await started(t, { path, encryptionKey: first });
  assert.equal((await readAll(again)).filter(({ damaged }) => damaged === undefined).length, 5);
  assert.deepEqual(
    await lettersOf(again),
    Array.from({ length: 10 }, () => EMAIL),
  );
});

test('the same bytes are never sealed to the same bytes', () => {
  const sealer = createSealer({ encryptionKey: first });
  const sealed = Array.from({ length: 100 }, () => Buffer.from(sealer.seal(body(1), 'page 1').bytes).toString('hex'));
  assert.equal(new Set(sealed).size, 100);
  assert.equal(new Set(sealed.map((hex) => hex.slice(0, 24))).size, 100);
});

test('a spool can be sealed in a folder that is new', async (t) => {
  const path = newFolder(t);
  const { spool } = await started(t, { path, encryptionKey: first });
  assert.equal(await collect(spool, body(2)), 1);
});

test('the name of a key that is damaged stops neither the start nor the page: the given keys are tried', async (t) => {
  const { spool, path } = await started(t, { encryptionKey: first });
  await plant(spool);
  await plant(spool);
  await spool.close(true);
  const whole = readFileSync(join(path, 'spool.db'));
  const places = [];
  for (let at = whole.indexOf(nameOfKey(first)); at >= 0; at = whole.indexOf(nameOfKey(first), at + 1)) places.push(at);
  assert.ok(places.length >= 12, `in each row, and in each index: ${places.length}`);
  for (const at of places) {
    const changed = Buffer.from(whole);
    changed[at] = 'g'.charCodeAt(0);
    writeFileSync(join(path, 'spool.db'), changed);
    const { spool: again } = await started(t, { path, encryptionKey: second, oldKeys: [first] });
    const pages = await readAll(again);
    assert.deepEqual(
      pages.map(({ body: bytes, damaged }) => damaged ?? Buffer.from(bytes).toString()),
      [`["${EMAIL}"]`, `["${EMAIL}"]`],
    );
    assert.deepEqual(await lettersOf(again), [EMAIL, EMAIL, EMAIL, EMAIL]);
    await again.close(true);
    assert.throws(() => newSpool(t, { path, encryptionKey: second }), MissingKey);
  }
});

test('no memory to unpack a page into is no damage: it is read again', async (t) => {
  const { path } = await started(t);
  const failing = [
    new RangeError('Array buffer allocation failed'),
    Object.assign(new Error('Allocation error'), { code: 'ZSTD_error_memory_allocation' }),
  ];
  for (const error of failing) {
    const sealer = createSealer({});
    const open = () => {
      throw error;
    };
    withSql(path, (db) => {
      const bodies = openBodies(db, { ...sealer, open });
      const page = { stream: 'verify/siem', receivedAt: new Date(), partial: false, body: body(1) } as const;
      bodies.add(1, page);
      assert.throws(() => bodies.read(1), error);
      assert.deepEqual(openBodies(db, sealer).read(1), { body: body(1) });
      db.exec('DELETE FROM bodies');
    });
  }
});
