/** Who shows a wrong certificate gets no word of ours, at any end; it is said why, and nothing is lost over it. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it, type TestContext, test } from 'node:test';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import splunkHec from '../../sinks/splunk_hec/index.ts';
import syslog from '../../sinks/syslog/index.ts';
import { httpClient } from '../../src/http.ts';
import { mosaicClient } from '../../src/mosaic.ts';
import { startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import { startHec } from '../../src/simulator/hec.ts';
import { startMosaic } from '../../src/simulator/mosaic.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import { startSyslog } from '../../src/simulator/syslog.ts';
import type { SinkContext, SinkDefinition } from '../../src/sink.ts';
import { BAD, type Kind, makeCertificates, startTlsFront, type TlsFront } from '../fixtures/certificates.ts';
import { someEvent } from '../fixtures/plain.ts';
import { newDaemon } from '../fixtures/process.ts';

const certificates = makeCertificates({ after });
const never = new AbortController().signal;

const SAID: Readonly<Record<(typeof BAD)[number], RegExp>> = {
  elsewhere: /127\.0\.0\.1.*use a name that its certificate holds/s,
  strange: /set tls\.ca to the CA that signed its certificate/,
  expired: /certificate has expired.*must be renewed/s,
  selfSigned: /self-signed certificate.*set tls\.ca/s,
};

interface Tls {
  readonly ca?: string;
  readonly verify?: boolean;
}
/** One thing that the program talks to over TLS. */
interface End {
  readonly name: string;
  /** Starts it without TLS; gives its port. */
  start(context: TestContext): Promise<number>;
  /** Talks to it; gives what went wrong, undefined where all went well. */
  talk(port: number, tls: Tls): Promise<string | undefined>;
}

const context = (tls: Tls): SinkContext => ({ name: 'x', timeoutMs: 5_000, tls, version: '0', log: () => undefined });

async function deliverOne<T>(definition: SinkDefinition<T>, options: unknown, tls: Tls): Promise<string | undefined> {
  try {
    const sink = await definition.open(definition.options.parse(options), context(tls), never);
    try {
      const outcomes = await sink.deliver([someEvent()], never);
      return outcomes.every(({ status }) => status === 'delivered') ? undefined : JSON.stringify(outcomes);
    } finally {
      await sink.close();
    }
  } catch (error) {
    assert.equal((error as Error).name, 'Unavailable', String(error));
    return (error as Error).message;
  }
}

const MOSAIC: End = {
  name: 'Mosaic',
  start: async (t) => {
    const mosaic = await startMosaic({ streams: ['verify/siem'] });
    t.after(() => mosaic.close());
    return Number(new URL(mosaic.baseUrl).port);
  },
  talk: async (port, tls) => {
    const origin = `https://127.0.0.1:${port}`;
    const client = mosaicClient({
      baseUrl: `${origin}/activities/v1`,
      tokenUrl: `${origin}/oidc/token`,
      clientId: 'demo-client',
      clientSecret: () => 'demo-secret',
      enrichment: false,
      timeoutMs: 5_000,
      maxAnswerSize: 1_000_000,
      http: { tls },
    });
    try {
      const answer = await client.collect({ name: 'verify/siem', type: 'verify', id: 'siem', batchSize: 10 }, never);
      if (answer.status === 'answer') return undefined;
      assert.equal(answer.gap, undefined, 'no possible gap is counted: nothing was asked');
      return answer.error;
    } finally {
      await client.close();
    }
  },
};

const HEC: End = {
  name: 'Splunk HEC',
  start: async (t) => {
    const hec = await startHec({ token: 'b0221cd8-c4b4-465a-9a3c-273e3a75aa29' });
    t.after(() => hec.close());
    return Number(new URL(hec.url).port);
  },
  talk: (port, tls) =>
    deliverOne(splunkHec, { url: `https://127.0.0.1:${port}`, token: 'b0221cd8-c4b4-465a-9a3c-273e3a75aa29' }, tls),
};

const ELASTICSEARCH: End = {
  name: 'Elasticsearch',
  start: async (t) => {
    const server = await startElasticsearch({ keep: false });
    t.after(() => server.close());
    return Number(new URL(server.url).port);
  },
  talk: (port, tls) => deliverOne(elasticsearch, { url: `https://127.0.0.1:${port}` }, tls),
};

const SYSLOG: End = {
  name: 'syslog',
  start: async (t) => {
    const receiver = await startSyslog({ protocol: 'tcp', keep: false });
    t.after(() => receiver.close());
    return receiver.port;
  },
  talk: (port, tls) => deliverOne(syslog, { address: `tls://127.0.0.1:${port}`, confirm_after: '50ms' }, tls),
};

const PROXY: End = {
  name: 'a proxy',
  start: async (t) => {
    const server = createServer((_, response) => response.end('through the proxy'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  },
  talk: async (port, tls) => {
    const client = httpClient({ tls, proxy: `https://127.0.0.1:${port}` });
    const request = { method: 'GET', url: 'http://far.invalid/', timeoutMs: 5_000 } as const;
    return await client
      .request(request, never)
      .then(({ body }) => assert.equal(body.toString(), 'through the proxy') ?? undefined)
      .catch((error: Error) => error.message)
      .finally(() => client.close());
  },
};

for (const end of [MOSAIC, HEC, ELASTICSEARCH, SYSLOG, PROXY]) {
  describe(`${end.name} over TLS`, () => {
    it('is refused with a bad certificate, before a word is said, and with the reason', async (t) => {
      const front = await startTlsFront(t, certificates, await end.start(t));
      const trusted = { ca: certificates.ca };
      assert.equal(await end.talk(front.port, trusted), undefined, 'a good one is taken');
      assert.ok(front.heard > 0);
      for (const kind of BAD) {
        front.show(kind);
        const [heard, handshakes] = [front.heard, front.handshakes];
        const said = (await end.talk(front.port, trusted)) ?? `it took the certificate "${kind}"`;
        assert.match(said, SAID[kind]);
        assert.equal(front.heard, heard, `${kind}: something was said to it`);
        assert.ok(front.handshakes > handshakes, `${kind}: a handshake was tried`);
      }
      front.show('good');
      assert.match((await end.talk(front.port, {})) ?? 'taken', SAID.strange, 'nobody trusts that CA without tls.ca');
    });
  });
}

for (const end of [MOSAIC, HEC, ELASTICSEARCH, SYSLOG]) {
  it(`${end.name} with tls.verify: false takes any certificate`, async (t) => {
    const front = await startTlsFront(t, certificates, await end.start(t));
    for (const kind of BAD) {
      front.show(kind);
      assert.equal(await end.talk(front.port, { verify: false }), undefined, kind);
    }
  });
}

interface Fronts extends Record<'mosaic' | 'splunk' | 'elastic' | 'soc', TlsFront> {}

function yaml(fronts: Fronts, tls: string, spool: string, status: number): string {
  const at = (name: keyof Fronts) => `127.0.0.1:${fronts[name].port}`;
  return `mosaic:
  base_url: https://${at('mosaic')}/activities/v1
  client_id: demo-client
  client_secret: demo-secret
  tls: ${tls}
  streams: [{ type: verify, id: siem, poll_interval: 500ms }]
spool: { path: "${spool}" }
status: { listen: "127.0.0.1:${status}" }
sinks:
  splunk: { type: splunk_hec, url: "https://${at('splunk')}", token: t0ken, tls: ${tls} }
  elastic: { type: elasticsearch, url: "https://${at('elastic')}", tls: ${tls} }
  soc: { type: syslog, address: "tls://${at('soc')}", confirm_after: 100ms, tls: ${tls} }
`;
}

async function startWorld(t: TestContext) {
  const mosaic = await startMosaic({ streams: ['verify/siem'] });
  const [hec, elastic] = [await startHec({ token: 't0ken' }), await startElasticsearch()];
  const soc = await startSyslog({ protocol: 'tcp' });
  t.after(() => Promise.all([mosaic, hec, elastic, soc].map((each) => each.close())));
  const front = (url: string) => startTlsFront(t, certificates, Number(new URL(url).port));
  const fronts: Fronts = {
    mosaic: await front(mosaic.baseUrl),
    splunk: await front(hec.url),
    elastic: await front(elastic.url),
    soc: await front(soc.address),
  };
  const show = (kind: Kind, names: readonly (keyof Fronts)[]) => names.forEach((name) => void fronts[name].show(kind));
  const counts = () => ({ splunk: hec.ledger.size, elastic: elastic.stored.size, soc: soc.ledger.size });
  return { mosaic, fronts, show, counts };
}

const SINKS = ['splunk', 'elastic', 'soc'] as const;

test('the forwarder holds everything while certificates are bad, says so, and goes on by itself', async (t) => {
  const { mosaic, fronts, show, counts } = await startWorld(t);
  const daemon = await newDaemon(t, ({ spool, port }) => yaml(fronts, `{ ca: "${certificates.ca}" }`, spool, port));
  const source = activitySource({ seed: 5, rate: 50 });
  const all = (count: number) => () => Object.values(counts()).every((stored) => stored === count);
  daemon.start();
  await daemon.ready();
  mosaic.enqueue('verify/siem', source.take(20));
  await daemon.until('20 events are everywhere', all(20), { state: counts });
  await daemon.until('each answer has come', async () =>
    (await daemon.status()).sinks.every((sink) => sink.waiting === 0),
  );
  show('expired', SINKS);
  mosaic.enqueue('verify/siem', source.take(20));
  await daemon.until('every sink is down and says why', async () => {
    const { sinks } = await daemon.status();
    return sinks.every(
      ({ state, reason, waiting }) => state === 'down' && SAID.expired.test(reason ?? '') && waiting === 20,
    );
  });
  show('elsewhere', ['mosaic']);
  mosaic.enqueue('verify/siem', source.take(20));
  await daemon.until('Mosaic fails and it is said why', async () => {
    const [stream] = (await daemon.status()).streams;
    return stream?.state === 'failing' && SAID.elsewhere.test(stream.last_error ?? '');
  });
  assert.ok(all(20)(), JSON.stringify(counts()));
  assert.equal(mosaic.ledger.books('verify/siem').waiting, 20, 'Mosaic has handed out nothing more');
  show('good', ['mosaic', ...SINKS]);
  await daemon.until('all 60 are everywhere', all(60), { state: counts });
  assert.deepEqual((await daemon.status()).gaps, [], 'and no possible gap was counted');
  for (const name of SINKS) assert.match(daemon.log, new RegExp(`sink ${name} is down.*certificate has expired`));
  assert.doesNotMatch(daemon.log, /tls\.verify is false/);
});

test('with tls.verify: false each end is warned of, at every start and by check', async (t) => {
  const { fronts, show } = await startWorld(t);
  show('selfSigned', ['mosaic', ...SINKS]);
  const daemon = await newDaemon(t, ({ spool, port }) => yaml(fronts, '{ verify: false }', spool, port));
  const checked = await daemon.run('check');
  assert.equal(checked.status, 0, checked.stderr);
  for (const start of [1, 2]) {
    daemon.start();
    await daemon.ready();
    daemon.signal('SIGTERM');
    await daemon.ended();
    for (const name of ['mosaic', ...SINKS.map((sink) => `sink ${sink}`)]) {
      const warning = new RegExp(`${name}: tls\\.verify is false, any certificate is taken`, 'g');
      assert.equal(daemon.log.match(warning)?.length, start, `${name} at start ${start}:\n${daemon.log}`);
      assert.equal(checked.stderr.match(warning)?.length, 1, checked.stderr);
    }
  }
});
