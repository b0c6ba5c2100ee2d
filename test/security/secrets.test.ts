/** A secret shows in no output of any command, whatever is wrong: not in a mistake of the config, not with --debug. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext, test } from 'node:test';
import { sinks } from '../../sinks/index.ts';
import { ConfigMistakes, loadConfig } from '../../src/config.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import { startEcho } from '../fixtures/echo.ts';
import { folder } from '../fixtures/plain.ts';
import { newDaemon } from '../fixtures/process.ts';
import { assertHidden, formsOf } from '../fixtures/secrets.ts';

const SECRETS = {
  client_secret: 'planted client+secret/1"x',
  hec_token: '0badc0de-1111-4222-8333-5ec12e75ec12',
  api_key: 'planted-id:planted-api-key',
  password: 'planted-password-42',
  proxy_password: 'planted-proxy-password',
  status_token: 'planted-status-token',
  encryption_key: randomBytes(32).toString('base64'),
  old_key: randomBytes(32).toString('hex'),
  log_token: 'planted-log-token-0815',
  key_file: 'planted-read-key-from-a-file',
};
const FORMS = formsOf(SECRETS);

/** With its own names for what a variant of it changes. */
function config(url: string, home: string, status = 'off'): string {
  const proxy = `http://forwarder:${SECRETS.proxy_password}@${url.slice('http://'.length)}`;
  return `mosaic:
  base_url: ${url}/activities/v1
  client_id: demo-client
  client_secret: ${JSON.stringify(SECRETS.client_secret)}
  streams: [{ type: verify, id: siem, poll_interval: 500ms }]
spool: { path: "${home}/spool", encryption_key: "${SECRETS.encryption_key}", old_keys: ["${SECRETS.old_key}"] }
status: ${status}
log: { level: debug, outputs: [{ type: console }, { type: splunk_hec, url: "${url}", token: "${SECRETS.log_token}" }] }
sinks:
  splunk: { type: splunk_hec, url: "${url}", token: "${SECRETS.hec_token}" }
  key: { type: elasticsearch, url: "${url}", api_key: "${SECRETS.api_key}" }
  basic: { type: elasticsearch, url: "${url}", username: elastic, password: "${SECRETS.password}" }
  proxied: { type: splunk_hec, url: "http://splunk.example.com:8088", insecure: true, token: "${SECRETS.hec_token}", proxy: "${proxy}" }
`;
}

async function startWorld(t: TestContext) {
  const echo = await startEcho(t);
  let keyFile = '';
  const daemon = await newDaemon(t, ({ folder: home, port }) => {
    keyFile = join(home, 'read.key');
    writeFileSync(keyFile, `${SECRETS.key_file}\n`);
    return config(echo.url, home, `{ listen: "127.0.0.1:${port}", token: "${SECRETS.status_token}" }`);
  });
  return { echo, daemon, keyFile };
}

/** Those that talk to somebody, or print what was stored. */
const commandsWith = (keyFile: string): readonly (readonly string[])[] => [
  ['check', '--connect', '--json'],
  ['setup'],
  ['status', '--json'],
  ['dead-letters', 'show', '--json'],
  ['dead-letters', 'replay', '--no-wait'],
  ['install', 'key', '--admin-key-file', keyFile],
  ['audit', '--json'],
  ['audit', '--verify', '--sink', 'key', '--key-file', keyFile],
  ['replay', '--sink', 'key', '--missing', '--key-file', keyFile, '--no-wait'],
  ['replay', '--sink', 'splunk', '--from', '1h', '--no-wait'],
  ['spool', 'check'],
];

test('no command tells a secret, with --debug or without, while it runs and while it does not', async (t) => {
  const { echo, daemon, keyFile } = await startWorld(t);
  echo.activities = activitySource({ seed: 9, rate: 50 })
    .take(60)
    .map(({ json }) => json);
  daemon.start();
  await daemon.ready();
  await daemon.until('there are dead letters', async () =>
    (await daemon.status()).sinks.every((sink) => sink.dead_letters > 0),
  );
  const statuses = new Set<number>();
  const runAll = async (...first: string[]) => {
    const commands = commandsWith(keyFile).map((command) => [...first, ...command]);
    // Some at a time: each is a process of its own.
    for (let from = 0; from < commands.length; from += 4) {
      const results = commands.slice(from, from + 4).map(async (command) => {
        const { status, stdout, stderr } = await daemon.run(...command);
        statuses.add(status);
        assertHidden(FORMS, `${stdout}${stderr}`, command.join(' '));
      });
      await Promise.all(results);
    }
  };
  await runAll();
  daemon.signal('SIGTERM');
  await daemon.ended();
  assertHidden(FORMS, daemon.log, 'the log');
  Object.assign(echo, { status: 403, mosaicStatus: 403 });
  await runAll('--debug');
  assert.deepEqual([...statuses].toSorted(), [0, 1], 'some went well, some failed, none was wrong use');
});

/** One wrong edit for each: a text of the config, and what stands in its place. */
const EDITS: readonly (readonly [string, string])[] = [
  ['client_secret:', 'client_secrets:'],
  ['client_secret: ', 'client_secret: ['],
  ['client_secret: "', 'client_secret: "\\q'],
  ['client_secret: ', 'client_secret: { a: 1 }\n  client_secret: '],
  ['client_secret: ', 'client_secret: &a !!binary '],
  ['client_secret: ', 'client_secret:'],
  ['client_secret: ', '\tclient_secret: '],
  ['  client_secret: ', '   client_secret: '],
  ['\n  streams', '\n  client_secret: twice\n  streams'],
  [SECRETS.encryption_key, `${SECRETS.encryption_key}x`],
  [`"${SECRETS.encryption_key}"`, `["${SECRETS.encryption_key}"]`],
  [`["${SECRETS.old_key}"]`, `"${SECRETS.old_key}"`],
  [SECRETS.old_key, `${SECRETS.old_key}0`],
  [`, token: "${SECRETS.status_token}"`, `, tokens: "${SECRETS.status_token}"`],
  [`"${SECRETS.status_token}"`, `{ "${SECRETS.status_token}": 1 }`],
  [`"${SECRETS.hec_token}"`, `"${SECRETS.hec_token} with blanks"`],
  [`token: "${SECRETS.hec_token}"`, `tokem: "${SECRETS.hec_token}"`],
  [`token: "${SECRETS.hec_token}"`, `index: "${SECRETS.hec_token} NO INDEX", token: 7`],
  [`api_key: "${SECRETS.api_key}"`, `api_key: "${SECRETS.api_key}", password: "${SECRETS.password}"`],
  [`api_key: "${SECRETS.api_key}"`, `api-key: "${SECRETS.api_key}"`],
  [`"${SECRETS.api_key}"`, `"${SECRETS.api_key}`],
  ['username: elastic', 'user_name: elastic'],
  ['url: "http://', `url: "http://elastic:${SECRETS.password}@`],
  ['base_url: http://', `base_url: http://someone:${SECRETS.password}@`],
  ['base_url: http://', `base_url: ftp://someone:${SECRETS.password}@`],
  ['proxy: "http://', 'proxy: "ftp://'],
  ['proxy: "http://', 'proxy: "'],
  ['proxy: "http://', 'proxie: "http://'],
  ['type: console }', `type: consol, token: "${SECRETS.log_token}" }`],
  [`token: "${SECRETS.log_token}"`, `token: ["${SECRETS.log_token}"]`],
  ['insecure: true, ', ''],
  ['client_id: demo-client', `client_id: \${file:/nowhere/${'x'.repeat(5)}}`],
];
describe('a mistake in the config', () => {
  for (const [text, wrong] of EDITS) {
    it(`of the kind ${JSON.stringify(wrong.slice(0, 40))} tells where, and not the secret`, async (t) => {
      const home = folder(t);
      const good = config('http://127.0.0.1:9', home, `{ listen: "127.0.0.1:8686", token: "${SECRETS.status_token}" }`);
      assert.ok(good.includes(text), text);
      const file = join(home, 'forwarder.yaml');
      writeFileSync(
        file,
        good.replace(text, () => wrong),
      );
      const error = await loadConfig(file, sinks).then(
        () => undefined,
        (reason: unknown) => reason as Error,
      );
      assert.ok(error instanceof ConfigMistakes, String(error ?? 'it was taken'));
      const told = [error.message, error.stack, JSON.stringify(error.mistakes), String(error.cause ?? '')].join('\n');
      assertHidden(FORMS, told, wrong);
      assert.match(error.message, /forwarder\.yaml:\d+:\d+/);
    });
  }
});
