import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const TOP = fileURLToPath(new URL('..', import.meta.url));
const VENDOR_EVENT = '2bed7aa934a2f311357242221b2d8dd8';
const KIB = 1024;

/** What a user writes beside the installed package. */
const SINK = `import { Unavailable, z } from 'mosaic-siem-forwarder/sink';
export default {
  type: 'mine',
  summary: 'nowhere',
  options: z.strictObject({ place: z.string() }),
  promises: { acknowledged: true, idempotent: true, perEvent: true },
  defaults: { concurrency: 1, maxEvents: 10, maxBytes: 1000 },
  open: async () => { throw new Unavailable('no'); },
};
`;

const TYPED_SINK = `import { type Fixture, sinkContract } from 'mosaic-siem-forwarder/contract';
import { type Outcome, type SinkDefinition, z } from 'mosaic-siem-forwarder/sink';
const delivered: Outcome = { status: 'delivered' };
// @ts-expect-error: unless the types were lost on the way
const wrong: Outcome = { status: 'perhaps' };
export const definition: SinkDefinition<{ place: string }> = {
  type: 'mine',
  summary: 'nowhere',
  options: z.strictObject({ place: z.string() }),
  promises: { acknowledged: true, idempotent: true, perEvent: true },
  defaults: { concurrency: 1, maxEvents: 10, maxBytes: 1000 },
  open: async () => ({ deliver: async (batch) => batch.map(() => delivered), close: async () => {} }),
};
export const suite = (fixture: Fixture) => sinkContract(wrong.status, fixture);
// @ts-expect-error: a fixture is not a number
sinkContract('mine', 7);
`;

const CONFIG = `mosaic:
  region: eu
  client_id: someone
  client_secret: something
  streams: [{ type: verify, id: siem }]
sinks:
  screen: { type: console }
  own: { type: ./my-sink.js, place: here }
  elastic: { type: elasticsearch, url: 'http://127.0.0.1:9', api_key: none }
status: off
`;

describe('the package, installed into an empty folder', () => {
  const home = mkdtempSync(join(tmpdir(), 'mosaic-siem-package-'));
  const installed = join(home, 'user/node_modules/mosaic-siem-forwarder');
  after(() => rmSync(home, { recursive: true, force: true }));

  before(async () => {
    for (const name of ['tarball', 'unpacked', 'user']) mkdirSync(join(home, name));
    await succeed('npm', ['pack', '--pack-destination', join(home, 'tarball')], TOP);
    await succeed('tar', ['-xzf', tarball(), '-C', join(home, 'unpacked')], home);
    writeFileSync(join(home, 'user/package.json'), '{ "type": "module", "private": true }');
    const quiet = ['--omit=dev', '--omit=optional', '--prefer-offline', '--no-audit', '--no-fund'];
    await succeed('npm', ['install', ...quiet, tarball()], join(home, 'user'));
    writeFileSync(join(home, 'user/my-sink.js'), SINK);
    writeFileSync(join(home, 'user/forwarder.yaml'), CONFIG);
  });

  function tarball(): string {
    const [name = 'none', ...more] = readdirSync(join(home, 'tarball'));
    assert.deepEqual(more, []);
    return join(home, 'tarball', name);
  }

  const packed = () => {
    const top = join(home, 'unpacked/package');
    const entries = readdirSync(top, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => relative(top, join(entry.parentPath, entry.name)));
  };
  const mosaic = (...words: string[]) =>
    succeed(join(home, 'user/node_modules/.bin/mosaic-siem'), words, join(home, 'user'));

  it('holds compiled JavaScript and declarations, and no TypeScript', () => {
    const files = packed();
    const typescript = files.filter((file) => /\.[cm]?tsx?$/.test(file) && !file.endsWith('.d.ts'));
    assert.deepEqual(typescript, []);
    for (const source of sources()) {
      assert.ok(files.includes(`dist/${source.replace(/\.ts$/, '.js')}`), source);
      assert.ok(files.includes(`dist/${source.replace(/\.ts$/, '.d.ts')}`), source);
    }
  });

  it('holds nothing but what users need', () => {
    const places = new Set(packed().map((file) => file.replace(/\/.*/, '')));
    const expected = ['LICENSE', 'bin', 'config', 'dist', 'package.json', 'sbom.cdx.json', 'sinks'];
    const allowed = new Set([...expected, 'CHANGELOG.md', 'README.md', 'docs']);
    assert.deepEqual(
      [...places].filter((place) => !allowed.has(place)),
      [],
    );
    assert.deepEqual(
      expected.filter((place) => !places.has(place)),
      [],
    );
    assert.deepEqual(
      packed().filter((file) => /^bin\/|\.test\.|^sinks\/.*\.(js|d\.ts)$/.test(file)),
      ['bin/mosaic-siem.js'],
    );
  });

  it('has a sane size', () => {
    assert.ok(statSync(tarball()).size < 1000 * KIB, `${statSync(tarball()).size} bytes packed`);
    const top = join(home, 'unpacked/package');
    const unpacked = packed().reduce((sum, file) => sum + statSync(join(top, file)).size, 0);
    assert.ok(unpacked < 5000 * KIB, `${unpacked} bytes unpacked`);
  });

  it('asks for its dependencies in exact versions, brings no Node, and runs no script when it is installed', () => {
    const manifest = JSON.parse(readFileSync(join(home, 'unpacked/package/package.json'), 'utf8'));
    assert.equal(manifest.optionalDependencies, undefined);
    for (const version of Object.values(manifest.dependencies)) assert.match(String(version), /^\d+\.\d+\.\d+$/);
    const atInstall = ['preinstall', 'install', 'postinstall', 'prepare'];
    assert.deepEqual(
      atInstall.filter((name) => name in manifest.scripts),
      [],
    );
    const around = readdirSync(join(home, 'user/node_modules'));
    const developers = Object.keys(manifest.devDependencies).filter((name) =>
      existsSync(join(home, 'user/node_modules', name)),
    );
    assert.deepEqual([...around.filter((name) => /^node-|^typescript$/.test(name)), ...developers], []);
  });

  it('says what it is made of: each package that it brings, with version and licence', async () => {
    const text = readFileSync(join(home, 'unpacked/package/sbom.cdx.json'), 'utf8');
    const bom = JSON.parse(text) as Bom;
    const { version } = JSON.parse(readFileSync(join(TOP, 'package.json'), 'utf8'));
    assert.deepEqual([bom.metadata.component.name, bom.metadata.component.version], ['mosaic-siem-forwarder', version]);
    const named = bom.components.map((component) => `${component.name}@${component.version}`);
    assert.deepEqual(named, [...new Set(locked())].toSorted());
    const without = bom.components.filter(({ licenses }) => !licenses?.some(({ license }) => license?.id));
    assert.deepEqual(without, []);
    for (const name of ['sbom.cdx.json', 'timestamp', 'serialNumber', 'registry', tmpdir(), TOP])
      assert.ok(!text.includes(name), `it holds ${name}`);
    assert.deepEqual(text.match(/https?:\/\/\S+/g), ['http://cyclonedx.org/schema/bom-1.5.schema.json",']);
    assert.equal(await succeed(process.execPath, [join(TOP, 'deploy/sbom.ts')], home), text, 'again, from elsewhere');
  });

  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync(join(TOP, 'package.json'), 'utf8'));
    assert.equal(await mosaic('--version'), `${version}\n`);
  });

  it('maps the sample of the vendor', async () => {
    const { page } = JSON.parse(readFileSync(join(TOP, 'test/golden/vendor-sample/input.json'), 'utf8'));
    writeFileSync(join(home, 'user/page.json'), JSON.stringify(page));
    const lines = (await mosaic('map', 'page.json', '--stream', 'verify/siem-idv')).trimEnd().split('\n');
    assert.equal(lines.length, page.length);
    assert.equal(JSON.parse(lines[0] ?? '').event.id, VENDOR_EVENT);
  });

  it('prints the schema that lies in its config folder', async () => {
    const file = readFileSync(join(installed, 'config/schema.json'), 'utf8');
    assert.deepEqual(JSON.parse(await mosaic('schema')), JSON.parse(file));
  });

  it('checks a config, with a sink of the user', async () => {
    assert.equal(await mosaic('check'), './forwarder.yaml: fine: 1 stream, 3 sinks\n');
    writeFileSync(join(home, 'user/wrong.yaml'), CONFIG.replace('place', 'plaice'));
    const { status, stdout, stderr } = await run(
      join(installed, 'bin/mosaic-siem.js'),
      ['check', '-c', 'wrong.yaml'],
      join(home, 'user'),
    );
    assert.equal(status, 78);
    assert.match(stdout + stderr, /wrong\.yaml:8:\d+ sinks\.own\.plaice: .*did you mean place\?/);
  });

  it('prints what it would install into Elasticsearch', async () => {
    const printed = await mosaic('install', 'elastic', '--dry-run');
    assert.match(printed, /PUT \/_index_template\/transmit_security\.idv/);
    assert.match(printed, /PUT \/_ingest\/pipeline\/transmit_security\.idv-pipeline/);
  });

  it('plays the demo until it is told to stop', async () => {
    const words = [join(installed, 'bin/mosaic-siem.js'), 'demo', '--listen', '127.0.0.1:0'];
    const child = spawn(process.execPath, words, { cwd: join(home, 'user'), stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data: Buffer) => {
        said += data;
        if (said.includes('page_loaded')) child.kill('SIGTERM');
      });
    }
    const [code] = await once(child, 'close');
    assert.equal(code, 0, said);
    assert.match(said, /http:\/\/127\.0\.0\.1:\d+/);
    assert.match(said, /page_loaded/);
  });

  it('exports what a sink is made of, and the contract that it has to keep', async () => {
    const script = `
      const { BatchRefused, Unavailable, z } = await import('mosaic-siem-forwarder/sink');
      const { sinkContract } = await import('mosaic-siem-forwarder/contract');
      const inner = await import('mosaic-siem-forwarder/dist/src/main.js').catch((error) => error.code);
      console.log(JSON.stringify([new Unavailable('x').name, new BatchRefused('x').name, typeof z.object, typeof sinkContract, inner]));`;
    const printed = await succeed(process.execPath, ['--input-type=module', '--eval', script], join(home, 'user'));
    const expected = ['Unavailable', 'BatchRefused', 'function', 'function', 'ERR_PACKAGE_PATH_NOT_EXPORTED'];
    assert.deepEqual(JSON.parse(printed), expected);
  });

  it('types what it exports', async () => {
    writeFileSync(join(home, 'user/typed-sink.ts'), TYPED_SINK);
    const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--skipLibCheck'];
    const types = ['--typeRoots', join(TOP, 'node_modules/@types'), '--types', 'node'];
    await succeed(join(TOP, 'node_modules/.bin/tsc'), [...strict, ...types, 'typed-sink.ts'], join(home, 'user'));
  });
});

interface Bom {
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly licenses?: readonly { readonly license?: { readonly id?: string } }[];
  }[];
}

/** What the lock file names for users: not for developers alone, and not the Node of this repository's workspace. */
function locked(): string[] {
  const { packages } = JSON.parse(readFileSync(join(TOP, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; dev?: boolean; link?: boolean }>;
  };
  const shipped = Object.entries(packages).filter(
    ([path, { dev, link }]) => path.startsWith('node_modules/') && !dev && !link,
  );
  const names = shipped.map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')}@${version}`);
  return names.filter((name) => !name.startsWith('node-linux-'));
}

/** The program and its sinks, as they lie in the source. */
function sources(): string[] {
  const files = ['src', 'sinks'].flatMap((place) =>
    readdirSync(join(TOP, place), { recursive: true, encoding: 'utf8' }).map((name) => join(place, name)),
  );
  return files.filter((file) => file.endsWith('.ts'));
}

interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** npm hands its own settings down to what it runs; this npm is to find its own. */
function environment(): NodeJS.ProcessEnv {
  const given = Object.entries(process.env).filter(
    ([name]) => !/^npm_(config_(?!cache|registry)|lifecycle|package)/i.test(name),
  );
  return { ...Object.fromEntries(given), NO_COLOR: '1' };
}

function run(program: string, words: readonly string[], cwd: string): Promise<Result> {
  return new Promise((resolve) => {
    const options = { cwd, env: environment(), maxBuffer: 64 * KIB * KIB, timeout: 240_000 };
    execFile(program, words, options, (error, stdout, stderr) => {
      resolve({ status: error ? Number(error.code ?? -1) : 0, stdout, stderr });
    });
  });
}

async function succeed(program: string, words: readonly string[], cwd: string): Promise<string> {
  const { status, stdout, stderr } = await run(program, words, cwd);
  assert.equal(status, 0, `${program} ${words.join(' ')} ended with ${status}:\n${stdout}\n${stderr}`);
  return stdout;
}
