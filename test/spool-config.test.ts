import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { config, newFolder } from './config.fixtures.ts';

describe('the keys of the spool', () => {
  const folder = newFolder();
  after(() => folder.remove());
  const [one, two] = [randomBytes(32), randomBytes(32)];
  const url = (key: Buffer) => key.toString('base64url');

  it('are 32 bytes as base64 or hex, from a variable or a file too, and secret', async () => {
    const file = folder.file('key', `${two.toString('base64')}\n`);
    const old = [`\${file:${file}}`, url(one), one.toString('hex').toUpperCase()].map((key) => JSON.stringify(key));
    const rest = `spool: { encryption_key: "\${KEY}", old_keys: [${old}] }`;
    const { spool, secrets } = await folder.load(config({ rest }), { KEY: one.toString('hex') });
    assert.deepEqual(Buffer.from(spool.encryptionKey ?? []), one);
    assert.deepEqual(
      spool.oldKeys?.map((key) => Buffer.from(key)),
      [two, one, one],
    );
    for (const text of [one.toString('hex'), two.toString('base64'), url(one)]) assert.ok(secrets().includes(text));
  });

  it('are a mistake with its place where they are anything else, and are not printed', async () => {
    const wrong = [
      'abc',
      one.toString('hex').slice(1),
      `${one.toString('hex')}00`,
      one.subarray(1).toString('base64'),
      `${url(one)}A`,
      12,
    ];
    for (const key of wrong) {
      const [said = '', ...more] = await folder.mistakes(config({ rest: `spool: { encryption_key: ${key} }` }));
      assert.match(
        said,
        /^forwarder\.yaml:3:26 spool\.encryption_key: expected 32 bytes as base64 or hex, .*openssl rand/,
      );
      assert.deepEqual([more, said.includes(String(key))], [[], key === 12 && said.includes('12')]);
    }
    const [said = ''] = await folder.mistakes(config({ rest: 'spool: { old_keys: [nope] }' }));
    assert.match(said, /^forwarder\.yaml:3:21 spool\.old_keys\[0\]: expected 32 bytes/);
  });
});
