/** Certificates that are wrong, at either end: it is said in words, nothing is lost, and it goes on once they are mended. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { EcsDocument } from '../../src/types.ts';
import { folder } from '../fixtures/plain.ts';
import { type Certificates, copyCertificates, makeCertificates, type ServerCertificate } from './certificates.ts';
import { assertAllThere, assertNoneDead, awkwardActivities, startPath, statusOf } from './path.ts';
import type { Ends, Server } from './servers.ts';

export interface SecuredServer {
  /** Takes only clients of our CA. */
  start(context: Ends, certificates: Certificates): Promise<Server>;
  /** Of the sink, in YAML, without `tls`. */
  sink(server: Server): string;
  stored(server: Server): readonly EcsDocument[];
}

interface Trouble {
  readonly sink: string;
  readonly server: ServerCertificate;
  /** What stands in the place of the client's certificate at first. */
  readonly client: 'client' | 'stranger' | 'none';
  readonly says: RegExp;
}

const CLIENT_REFUSED = /(refuses? our client certificate|refuse our client certificate).*tls\.cert/;

const TROUBLES: readonly Trouble[] = [
  {
    sink: 'unknown-ca',
    server: 'strange',
    client: 'client',
    says: /set tls\.ca to the CA that signed its certificate/,
  },
  { sink: 'wrong-name', server: 'elsewhere', client: 'client', says: /use a name that its certificate holds/ },
  {
    sink: 'expired',
    server: 'expired',
    client: 'client',
    says: /its certificate must be renewed, or a clock is wrong/,
  },
  { sink: 'stranger', server: 'good', client: 'stranger', says: CLIENT_REFUSED },
  { sink: 'nobody', server: 'good', client: 'none', says: CLIENT_REFUSED },
];

interface Tried {
  readonly trouble: Trouble;
  readonly certificates: Certificates;
  readonly server: Server;
  /** Where the sink looks for what it shows. */
  readonly cert: string;
  readonly key: string;
}

export async function tlsTrouble(t: TestContext, secured: SecuredServer): Promise<void> {
  const tried: Tried[] = [];
  const all = makeCertificates(t);
  for (const trouble of TROUBLES) {
    const certificates = copyCertificates(t, all);
    certificates.serve(trouble.server);
    const server = await secured.start(t, certificates);
    const own = folder(t);
    tried.push({ trouble, certificates, server, cert: join(own, 'cert.pem'), key: join(own, 'key.pem') });
  }
  for (const { trouble, ...one } of tried) if (trouble.client !== 'none') present(one, trouble.client);
  const yaml = (mended: boolean) =>
    tried
      .map(({ trouble, certificates, server, cert, key }) => {
        const client = trouble.client === 'none' && !mended ? '' : `, cert: "${cert}", key: "${key}"`;
        return `  ${trouble.sink}: { ${secured.sink(server)}, tls: { ca: "${certificates.path('ca.pem')}"${client} } }`;
      })
      .join('\n');
  const path = await startPath(t, () => yaml(false));
  const { daemon } = path;
  path.enqueue(awkwardActivities(100));
  daemon.start();
  await daemon.ready();
  const lineOf = (sink: string) => daemon.log.split('\n').find((line) => line.includes(`sink ${sink} is down: `));
  await daemon.until('each trouble is told', () => tried.every(({ trouble }) => lineOf(trouble.sink) !== undefined), {
    ms: 60_000,
  });
  for (const { trouble } of tried) assert.match(lineOf(trouble.sink) ?? '', trouble.says, trouble.sink);
  const check = await daemon.run('check', '--connect');
  assert.equal(check.status, 1, check.stdout);
  for (const { trouble, server } of tried) {
    const lines = check.stdout.split('\n').filter((line) => line.includes(`:${server.port}`));
    assert.ok(
      lines.some((line) => trouble.says.test(line)),
      `check --connect, ${trouble.sink}: ${check.stdout}`,
    );
    assert.deepEqual(secured.stored(server), [], `nothing gets through: ${trouble.sink}`);
  }
  const waiting = (await statusOf(daemon)).sinks.map((sink) => sink.waiting);
  assert.ok(
    waiting.every((count) => count === path.ids().size),
    `all of it waits: ${waiting}`,
  );

  for (const { trouble, ...one } of tried) {
    one.certificates.serve('good');
    if (trouble.client !== 'client') present(one, 'client');
    if (trouble.server === 'good') continue;
    await one.server.stop();
    await one.server.start();
  }
  const others = tried.filter(({ trouble }) => trouble.client !== 'none');
  await daemon.until(
    'all but the one without a certificate have everything',
    async () => {
      const { sinks } = await statusOf(daemon);
      return others.every(({ trouble }) => sinks.find(({ sink }) => sink === trouble.sink)?.waiting === 0);
    },
    { ms: 90_000, everyMs: 200, state: () => statusOf(daemon) },
  );
  daemon.signal('SIGTERM');
  await daemon.ended();
  writeFileSync(daemon.config, readFileSync(daemon.config, 'utf8').replace(yaml(false), yaml(true)));
  daemon.start();
  await daemon.ready();
  await path.settled();
  await assertNoneDead(path);
  for (const { trouble, server } of tried) assertAllThere(path, secured.stored(server), trouble.sink);
}

/** From the next connection on this is what the sink shows. */
function present({ certificates, cert, key }: Omit<Tried, 'trouble'>, name: 'client' | 'stranger'): void {
  copyFileSync(certificates.path(`${name}.key`), key);
  copyFileSync(certificates.path(`${name}.pem`), cert);
}
