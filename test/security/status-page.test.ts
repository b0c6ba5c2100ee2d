/** What an applicant, a server or a foreign web page can do to the status page: be shown as text, and nothing else. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../../src/normalize.ts';
import { createMetrics } from '../../src/status/metrics.ts';
import { createPage } from '../../src/status/page.ts';
import { pageScript } from '../../src/status/page-script.ts';
import type { Status } from '../../src/status/shape.ts';
import { createState } from '../../src/status/state.ts';
import { startStatus } from '../../src/status.ts';
import type { SpoolReport } from '../../src/types.ts';

const PAYLOADS = [
  '<script>alert(1)</script>',
  '</script><script>alert(1)</script>',
  '</title></style></textarea><svg/onload=alert(1)>',
  '"><img src=x onerror=alert(1)>',
  `' onmouseover='alert(1)`,
  '" autofocus onfocus="alert(1)',
  'javascript:alert(1)',
  '<a href="javascript:alert(1)">x</a>',
  '$'.concat('{alert(1)}`', '$', '{alert(1)}`'),
  '{{constructor.constructor("alert(1)")()}}',
  '<!--<script>',
  '&lt;script&gt;&#60;script&#62;',
  '<iframe srcdoc="<script>alert(1)</script>">',
  '\u2028alert(1)\u2029',
];

/** Every text of a status, apart from its fixed words and its times, is replaced. */
function poisoned(status: Status, payload: string): Status {
  const fixed = new Set(['state', 'severity']);
  const poison = (value: unknown, key = ''): unknown => {
    if (Array.isArray(value)) return value.map((each) => poison(each));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, poison(member, name)]));
    return typeof value === 'string' && !fixed.has(key) && Number.isNaN(Date.parse(value)) ? payload : value;
  };
  return poison(status) as Status;
}

const AT = new Date('2026-01-02T03:04:05.000Z');
const NOTHING: SpoolReport = {
  bytes: 1,
  limit: 2,
  pages: 0,
  setAside: 0,
  gaps: [],
  streams: [],
  sinks: [],
  orders: [],
};

function someStatus(): Status {
  const state = createState({ version: '1.2.3', streams: ['verify/siem'], sinks: ['soc'], now: () => AT });
  state.spoolOpened();
  state.tell({ what: 'collect_failed', stream: 'verify/siem', result: 'server', error: 'words', waitMs: 1 });
  state.tell({ what: 'sink_down', sink: 'soc', reason: 'words', waitMs: 1 });
  state.tell({ what: 'collecting', on: false, reason: 'words' });
  state.recent({ time: AT, code: 'words', severity: 'high', stream: 'verify/siem', sink: 'soc', id: 'words' });
  const gaps = [{ stream: 'verify/siem', reason: 'crash', count: 1, last_at: AT.toISOString() }];
  return { ...state.snapshot(NOTHING), gaps };
}

/** Tags with their attributes in order, and the texts between them. Throws where one could be read in two ways. */
function parse(html: string): { tags: string[]; texts: string[] } {
  const tags: string[] = [];
  const texts: string[] = [];
  const bare = html.replace(/(<(script|style)>).*?(<\/\2>)/gs, '$1$3');
  for (const [, text = '', tag = ''] of bare.matchAll(/([^<]*)(<[^>]*>)?/g)) {
    assert.doesNotMatch(text, /[<>]|&(?!#\d+;)/, 'markup in a text');
    if (text.trim() !== '') texts.push(text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))));
    if (tag !== '') tags.push(tag);
  }
  return { tags, texts };
}

describe('the page', () => {
  const page = createPage();
  const plain = parse(page.html(someStatus()));

  for (const payload of PAYLOADS) {
    it(`shows ${JSON.stringify(payload)} as text wherever a text stands`, () => {
      const { tags, texts } = parse(page.html(poisoned(someStatus(), payload)));
      assert.deepEqual(tags, plain.tags, 'not one tag or attribute more');
      assert.ok(texts.filter((text) => text.includes(payload)).length >= 6, texts.join('\n'));
    });

    it(`keeps ${JSON.stringify(payload)} text when its script refreshes it`, async () => {
      const shown = await refreshed(poisoned(someStatus(), payload));
      assert.ok(shown.filter((text) => text.includes(payload)).length >= 6, shown.join('\n'));
    });
  }

  it('takes nothing of an activity but its code, and that as text', () => {
    const state = createState({ version: '1', streams: ['verify/siem'], sinks: [], now: () => AT });
    const names = [
      'activity',
      'pageName',
      'userActionType',
      'imageType',
      'result',
      'sessionId',
      'userAgent',
      'ipAddress',
    ];
    const activities = PAYLOADS.flatMap((payload) => [
      Object.fromEntries(names.map((name) => [name, payload])),
      ...['page_loaded', 'redirect', 'user_action_performed'].map((activity) => ({
        ...Object.fromEntries(names.map((name) => [name, payload])),
        activity,
      })),
    ]);
    const body = Buffer.from(JSON.stringify(activities));
    const events = normalizer(DEFAULT_EVENT_OPTIONS).events({
      number: 1,
      stream: 'verify/siem',
      receivedAt: AT,
      partial: false,
      body,
    });
    for (const { id, code, severity, document } of events)
      state.recent({ id, code, severity, time: new Date(document['@timestamp']) });
    const { tags } = parse(page.html(state.snapshot(NOTHING)));
    const allowed = new Set([...plain.tags, '<tr class="warn">', '<tr class="">', '<tr class="good">']);
    assert.deepEqual(
      tags.filter((tag) => !allowed.has(tag) && !/^<(meter|p|td) /.test(tag)),
      [],
    );
  });

  it('allows no script and no style but its own, no frame, no form, no base, no plug-in', () => {
    const directives = Object.fromEntries(
      page.policy.split('; ').map((text) => [text.split(' ')[0], text.split(' ').slice(1)]),
    );
    assert.deepEqual(directives['default-src'], ["'none'"]);
    for (const name of ['base-uri', 'form-action', 'frame-ancestors'])
      assert.deepEqual(directives[name], ["'none'"], name);
    for (const name of ['script-src', 'style-src']) {
      assert.equal(directives[name]?.length, 1);
      assert.match(directives[name]?.[0] ?? '', /^'sha256-[\w+/]{43}='$/);
    }
    assert.deepEqual(directives['connect-src'], ["'self'"]);
    assert.doesNotMatch(page.policy, /unsafe|http|\*|data:/);
    assert.doesNotMatch(
      pageScript(),
      /innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|setAttribute|\.href|\.src\b/,
    );
  });
});

const SETTABLE = new Set(['textContent', 'className', 'value', 'scope', 'colSpan']);
const CLASSES = new Set(['', 'good', 'warn', 'bad']);

/** The texts that the script sets. An element that is told anything but a text, or a class that is none of ours, fails. */
async function refreshed(status: Status): Promise<string[]> {
  const texts: string[] = [];
  const wrong: string[] = [];
  const element = (): object =>
    new Proxy(
      { append: () => undefined, replaceChildren: () => undefined, textContent: '' },
      {
        set: (_, name, value) => {
          if (!SETTABLE.has(String(name)) || (name === 'className' && !CLASSES.has(value))) wrong.push(String(name));
          if (name === 'textContent') texts.push(value);
          return true;
        },
      },
    );
  const tags: string[] = [];
  const timers: (() => void)[] = [];
  runInNewContext(pageScript(), {
    document: {
      querySelector: element,
      createElement: (tag: string) => {
        tags.push(tag);
        return element();
      },
    },
    fetch: async () => ({ ok: true, json: async () => JSON.parse(JSON.stringify(status)) }),
    AbortSignal,
    setTimeout: (work: () => void) => timers.push(work),
  });
  timers.shift()?.();
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  assert.deepEqual(wrong, []);
  assert.deepEqual([...new Set(tags)].toSorted(), ['td', 'th', 'tr']);
  return texts;
}

const closing: (() => Promise<void>)[] = [];
after(() => Promise.all(closing.map((close) => close())));

async function serve(host = '127.0.0.1', token?: string) {
  const report = async () => NOTHING;
  const state = createState({ version: '1', streams: [], sinks: [] });
  const metrics = createMetrics({ streams: [], sinks: [], refresh: report });
  const server = await startStatus({ listen: { host, port: 0, token }, state, metrics, report });
  closing.push(server.close);
  const port = Number(new URL(server.url).port);
  return { port, say: (request: string) => say(port, host === '::1' ? host : '127.0.0.1', request) };
}

/** Says these bytes and hears the whole answer: no client stands between that would set something right. */
async function say(port: number, host: string, request: string): Promise<string> {
  const socket = connect(port, host);
  let answer = '';
  socket.on('data', (bytes) => {
    answer += String(bytes);
  });
  socket.write(`${request}\r\n\r\n`.replaceAll(/\r?\n/g, '\r\n'));
  await Promise.race([once(socket, 'close'), once(socket, 'end')]);
  socket.destroy();
  return answer;
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);

describe('a foreign web page', () => {
  it('is refused by each name that is not ours, in whatever form', async () => {
    const { port, say } = await serve();
    const foreign = [
      'evil.example',
      `evil.example:${port}`,
      `127.0.0.1.evil.example:${port}`,
      `localhost.evil.example:${port}`,
      `localhost.:${port}`,
      `127.0.0.1.:${port}`,
      `evil.example#127.0.0.1:${port}`,
      `127.0.0.1:${port}@evil.example`,
      `127.0.0.1:${port + 1}`,
      `127.0.0.1:${port}0`,
      `127.0.0.1:`,
      '127.0.0.1',
      'localhost',
      `[::ffff:127.0.0.1]:${port}`,
      `[0:0:0:0:0:0:0:1]:${port}`,
      `::1:${port}`,
      `[::2]:${port}`,
      `127.0.0.2:${port}`,
      `0.0.0.0:${port}`,
      `2130706433:${port}`,
      `0x7f.1:${port}`,
      'null',
      '',
    ];
    for (const path of ['/', '/api/status', '/metrics', '/nothing'])
      for (const host of foreign) {
        const answer = await say(`GET ${path} HTTP/1.1\nHost: ${host}\nConnection: close`);
        assert.ok([400, 403].includes(statusOf(answer)), `${host}: ${answer}`);
        assert.doesNotMatch(answer, /started_at|mosaic_siem_|<table/);
      }
  });

  it('is let in by each form of our own name', async () => {
    const { port, say } = await serve();
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LocalHost:${port}`, `[::1]:${port}`])
      assert.equal(statusOf(await say(`GET /api/status HTTP/1.1\nHost: ${host}\nConnection: close`)), 200, host);
  });

  it('gets nothing by other headers, by none, or by naming itself in the request line', async () => {
    const { port, say } = await serve();
    const own = `127.0.0.1:${port}`;
    const refused: readonly (readonly [string, number])[] = [
      ['GET /api/status HTTP/1.0', 403],
      ['GET /api/status HTTP/1.1', 400],
      [`GET /api/status HTTP/1.1\nX-Forwarded-Host: ${own}\nHost: evil.example:${port}`, 403],
      [`GET /api/status HTTP/1.1\nForwarded: host=${own}\nHost: evil.example:${port}`, 403],
      [`GET /api/status HTTP/1.1\nHost: evil.example:${port}\nHost: ${own}`, 403],
      [`GET http://evil.example:${port}/api/status HTTP/1.1\nHost: evil.example:${port}`, 403],
      [`GET http://evil.example:${port}/api/status HTTP/1.1\nHost: ${own}`, 404],
      [`GET //evil.example/api/status HTTP/1.1\nHost: ${own}`, 404],
      [`POST /api/status HTTP/1.1\nHost: ${own}\nContent-Length: 0`, 405],
      [
        `OPTIONS /api/status HTTP/1.1\nHost: ${own}\nOrigin: http://evil.example\nAccess-Control-Request-Method: GET`,
        405,
      ],
      ['CONNECT evil.example:80 HTTP/1.1\nHost: evil.example:80', 0],
    ];
    for (const [request, status] of refused) {
      const answer = await say(`${request}\nConnection: close`);
      assert.equal(statusOf(answer), status, `${request}: ${answer}`);
      assert.doesNotMatch(answer, /started_at|access-control-allow/i);
    }
  });

  it('is refused as an origin, though the browser names the right host', async () => {
    const { port, say } = await serve();
    const ask = (origin: string) =>
      say(`GET /api/status HTTP/1.1\nHost: 127.0.0.1:${port}\nOrigin: ${origin}\nConnection: close`);
    const foreign = [
      'http://evil.example',
      'null',
      `https://127.0.0.1:${port}`,
      'http://127.0.0.1',
      'http://localhost:1',
      '',
    ];
    for (const origin of foreign) {
      const answer = await ask(origin);
      assert.equal(statusOf(answer), 403, origin);
      assert.doesNotMatch(answer, /started_at|access-control-allow/i);
    }
    for (const origin of [`http://127.0.0.1:${port}`, `http://localhost:${port}`]) {
      const answer = await ask(origin);
      assert.equal(statusOf(answer), 200, origin);
      assert.doesNotMatch(answer, /access-control-allow/i);
      assert.match(answer, /^cross-origin-resource-policy: same-origin\r$/m);
    }
  });

  it('behind a proxy with another name is let in with the token only', async () => {
    const { say } = await serve('127.0.0.1', 't0ken');
    const ask = (more: string) =>
      say(`GET /api/status HTTP/1.1\nHost: siem.example\nOrigin: https://siem.example\n${more}Connection: close`);
    assert.equal(statusOf(await ask('')), 403);
    assert.equal(statusOf(await ask('Authorization: Bearer wrong\n')), 403);
    assert.equal(statusOf(await ask('Authorization: Bearer t0ken\n')), 200);
  });

  it('finds the same policy on every answer, and no answer that a browser would take for a page', async () => {
    const { port, say } = await serve();
    for (const [path, host] of [
      ['/<script>alert(1)</script>', `127.0.0.1:${port}`],
      ['/%3Cscript%3E', `127.0.0.1:${port}`],
      ['/', 'evil.example'],
      ['/metrics', `127.0.0.1:${port}`],
      ['/api/status', `127.0.0.1:${port}`],
    ]) {
      const answer = await say(`GET ${path} HTTP/1.1\nHost: ${host}\nConnection: close`);
      assert.match(answer, /^content-security-policy: default-src 'none'/m, answer);
      assert.match(answer, /^x-content-type-options: nosniff\r$/m);
      assert.match(answer, /^content-type: (text\/plain|application\/json)/m);
    }
  });
});
