import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { activitySource } from '../../src/simulator/sessions.ts';
import { ACCESS_TOKEN, type Echo, startEcho } from '../fixtures/echo.ts';
import { type Daemon, newDaemon } from '../fixtures/process.ts';
import { assertHidden, formsOf } from '../fixtures/secrets.ts';

const SECRETS = {
  client_secret: 'planted client+secret/1"x',
  access_token: ACCESS_TOKEN,
  hec_token: '0badc0de-1111-4222-8333-5ec12e75ec12',
  api_key: 'planted-id:planted-api-key',
  password: 'planted-password-42',
  proxy_password: 'planted-proxy-password',
  status_token: 'planted-status-token',
};

const FORMS = formsOf(SECRETS);

test('no secret shows anywhere, though every end repeats it in its refusals', async (t) => {
  const echo = await startEcho(t);
  const daemon = await newDaemon(t, ({ spool, port }) => config(echo, spool, port));
  const source = activitySource({ seed: 9, rate: 50 });
  const take = (count: number) => source.take(count).map(({ json }) => json);
  echo.activities = take(120);
  daemon.start();
  await daemon.ready();
  await daemon.until('there are dead letters at four sinks', async () => {
    const { sinks } = await look(daemon);
    return TOLD.every((name) => (sinks.find(({ sink }) => sink === name)?.dead_letters ?? 0) > 0);
  });
  await assertNoSecretShows(daemon, 'every third event refused');
  for (const [status, html] of [
    [401, false],
    [403, true],
    [500, false],
    [200, true],
  ] as const) {
    const refusals = { ...echo.refusals };
    const more = (path: string) => (echo.refusals[path] ?? 0) > (refusals[path] ?? 0);
    Object.assign(echo, { status, html, activities: take(30) });
    await daemon.until(`the sinks meet ${status}`, () => ['/services/collector/event', '/_bulk'].every(more));
    // What comes with a 2xx is no refusal: it is kept as it is.
    echo.mosaicStatus = status === 200 ? 503 : status;
    await daemon.until('Mosaic refuses', () => more('/activities/v1/activities/collect'));
    await sleep(300);
    await assertNoSecretShows(daemon, `${status}, ${html ? 'HTML' : 'JSON'}`);
    Object.assign(echo, { status: undefined, mosaicStatus: undefined, html: false });
    // With Mosaic too: without a token it would never come to the call that is to be refused next.
    await daemon.until('everything goes on', async () => {
      // As in life. Without a good event behind them, a dozen bad ones that met the trouble too may be the sink's own fault.
      if (echo.activities.length === 0) echo.activities = take(5);
      const { sinks, streams } = await look(daemon);
      const up = TOLD.every((name) => sinks.find(({ sink }) => sink === name)?.state === 'up');
      return up && streams.every(({ state }) => state === 'ok');
    });
  }
  assert.ok((echo.refusals['/oidc/token'] ?? 0) > 0, 'the client secret was repeated, too');
  const commands = [['status'], ['status', '--json'], ['dead-letters', 'list'], ['dead-letters', 'show', '--json']];
  for (const command of commands) {
    const { status, stdout, stderr } = await daemon.run(...command);
    assert.equal(status, 0, stderr);
    assertHidden(FORMS, stdout + stderr, command.join(' '));
  }
});

test('nor does the secret of a sink from elsewhere that tells it in its errors', async (t) => {
  const echo = await startEcho(t);
  const daemon = await newDaemon(t, ({ spool, port }) => {
    const sink = `  own: { type: "${TELLING}", password: "${SECRETS.password}" }\n`;
    return config(echo, spool, port).replace(/^sinks:\n.*/ms, `sinks:\n${sink}`);
  });
  echo.activities = activitySource({ seed: 9, rate: 50 })
    .take(10)
    .map(({ json }) => json);
  daemon.start();
  await daemon.ready();
  await daemon.until('it is down', async () => (await look(daemon)).sinks[0]?.state === 'down');
  await daemon.until('the log says so', () => daemon.log.includes('sink own is down'));
  await assertNoSecretShows(daemon, 'the password is told');
  const { stdout } = await daemon.run('status', '--json');
  assertHidden(FORMS, stdout, 'status --json');
  assert.match(stdout, /the password \*\*\* is wrong/);
});

const TELLING = fileURLToPath(new URL('../fixtures/telling-sink.js', import.meta.url));
const TOLD = ['splunk', 'key', 'basic', 'proxied'];

interface Look {
  readonly streams: readonly { readonly state: string }[];
  readonly sinks: readonly { readonly sink: string; readonly state: string; readonly dead_letters: number }[];
}

async function look(daemon: Daemon): Promise<Look> {
  const { text } = await daemon.get('/api/status');
  return JSON.parse(text) as Look;
}

async function assertNoSecretShows(daemon: Daemon, when: string): Promise<void> {
  assertHidden(FORMS, daemon.log, `the log, ${when}`);
  for (const path of ['/', '/api/status', '/metrics', '/readyz'])
    assertHidden(FORMS, (await daemon.get(path)).text, `${path}, ${when}`);
}

function config({ url }: Echo, spool: string, port: number): string {
  return `mosaic:
  base_url: ${url}/activities/v1
  client_id: demo-client
  client_secret: ${JSON.stringify(SECRETS.client_secret)}
  streams: [{ type: verify, id: siem, poll_interval: 500ms }]
spool: { path: "${spool}" }
status: { listen: "127.0.0.1:${port}", token: "${SECRETS.status_token}" }
log: { level: debug }
sinks:
  splunk: { type: splunk_hec, url: "${url}", token: "${SECRETS.hec_token}" }
  key: { type: elasticsearch, url: "${url}", api_key: "${SECRETS.api_key}" }
  basic: { type: elasticsearch, url: "${url}", username: elastic, password: "${SECRETS.password}" }
  proxied: { type: splunk_hec, url: "http://splunk.example.com:8088", insecure: true, token: "${SECRETS.hec_token}", proxy: "http://forwarder:${SECRETS.proxy_password}@${url.slice('http://'.length)}" }
`;
}
