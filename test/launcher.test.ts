import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { folder } from './fixtures/plain.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/mosaic-siem.js', import.meta.url));

/** In place of the program: says what it runs on and what it is told, and does as its first word says. */
const PROGRAM = `
export async function main([, , order, ...rest]) {
  if (order === 'exit') process.exitCode = Number(rest[0]);
  if (order === 'die') process.kill(process.pid, rest[0]);
  if (order === 'tell') console.log(JSON.stringify({ node: process.versions.node, pid: process.pid, rest, options: process.execArgv }));
  if (order === 'count') {
    let count = 0;
    process.on('SIGINT', () => { count += 1; });
    setTimeout(() => { console.log('SIGINT came ' + count + ' time(s)'); process.exit(0); }, 1500);
    console.log('counts');
  }
  if (order !== 'wait') return;
  for (const signal of rest) process.on(signal, () => { console.log('got ' + signal); process.exit(9); });
  setInterval(() => undefined, 1000);
  console.log('waits');
}
`;

/** Says of itself that it is old, then is the launcher. */
const PRETENDED = `
  process.execArgv.length = 0;
  Object.defineProperty(process.versions, 'node', { value: '24.14.9' });
  await import(process.argv[1]);
`;

interface Old {
  readonly name: string;
  readonly missing?: string;
  /** The command that starts the launcher on it. */
  words(launcher: string, words: readonly string[]): readonly string[];
}

const pretended: Old = {
  name: 'a Node that says it is 24.14.9',
  words: (launcher, words) => [process.execPath, '--input-type=module', '--eval', PRETENDED, '--', launcher, ...words],
};

const found = findOldNode();
const real: Old = {
  name: `the Node ${found?.version ?? ''} of this machine`,
  ...(!found && { missing: 'no Node older than 24.15 is on the PATH of this machine' }),
  words: (launcher, words) => [found?.path ?? '', launcher, ...words],
};

const terminal =
  spawnSync('script', ['--version']).status !== 0 && 'no `script` here, which gives a program a terminal';

for (const old of [pretended, real]) {
  describe(`the launcher on ${old.name}`, { skip: old.missing ?? false }, () => {
    it('starts the bundled Node with the same words', async (context) => {
      const { code, stdout } = await end(start(old, tree(context), ['tell', 'a b', '--c']));
      const told = JSON.parse(stdout);
      assert.deepEqual([code, told.node, told.rest], [0, process.versions.node, ['a b', '--c']]);
    });

    it('ends with its exit status', async (context) => {
      const launcher = tree(context);
      for (const status of [0, 1, 2, 78]) {
        assert.equal((await end(start(old, launcher, ['exit', String(status)]))).code, status);
      }
    });

    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const) {
      it(`passes ${signal} on, and waits for the end`, async (context) => {
        const child = start(old, tree(context), ['wait', signal]);
        child.stdout?.once('data', () => child.kill(signal));
        const { code, stdout } = await end(child);
        assert.deepEqual([code, stdout], [9, `waits\ngot ${signal}\n`]);
      });
    }

    it('leaves Ctrl+C to the terminal, which tells both', { skip: terminal }, async (context) => {
      const [program, ...words] = old
        .words(tree(context), ['count'])
        .map((word) => `'${word.replaceAll("'", "'\\''")}'`);
      // Not every shell makes way for its only command; one that stays takes the key too, and ends by it.
      const command = ['exec', program, ...words].join(' ');
      const child = spawn('script', ['--quiet', '--flush', '--return', '--command', command, '/dev/null']);
      child.stdout.once('data', () => child.stdin.write('\u0003'));
      const { code, stdout } = await end(child);
      assert.deepEqual([code, /SIGINT came \d+/.exec(stdout)?.[0]], [0, 'SIGINT came 1'], stdout);
    });

    it('ends by the signal that ended the program', async (context) => {
      for (const signal of ['SIGKILL', 'SIGTERM']) {
        assert.equal((await end(start(old, tree(context), ['die', signal]))).signal, signal);
      }
    });

    it('says in one sentence what is missing where no Node is bundled', async (context) => {
      const { code, stdout, stderr } = await end(start(old, tree(context, { bundled: false }), ['tell']));
      assert.deepEqual([code, stdout], [78, '']);
      assert.match(
        stderr,
        /^mosaic-siem needs Node 24\.15 or newer; this is \d+\.\d+\.\d+\. Install a newer Node\.\n$/,
      );
    });
  });
}

describe('the launcher on a Node that can run the program', () => {
  it('stays one process, with the options of that Node', async (context) => {
    const child = spawn(process.execPath, ['--stack-size=900', tree(context, { bundled: false }), 'tell']);
    const told = JSON.parse((await end(child)).stdout);
    assert.deepEqual([told.pid, told.options], [child.pid, ['--stack-size=900']]);
  });

  it('prefers the source, and takes the compiled form where there is none', async (context) => {
    const source = tree(context, { bundled: false });
    assert.equal((await end(spawn(process.execPath, [source, 'exit', '3']))).code, 3);
    const compiled = tree(context, { bundled: false, main: 'dist/src/main.js' });
    assert.equal((await end(spawn(process.execPath, [compiled, 'exit', '4']))).code, 4);
  });

  it('starts the real program', async () => {
    const { code, stdout } = await end(spawn(process.execPath, [LAUNCHER, '--version']));
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

interface Tree {
  readonly bundled?: boolean;
  readonly main?: string;
}

/** A package with the real launcher, PROGRAM for the program, and this process's Node for the bundled one. */
function tree(context: TestContext, { bundled = true, main = 'src/main.ts' }: Tree = {}): string {
  const top = folder(context);
  const write = (name: string, content: string) => {
    mkdirSync(join(top, name, '..'), { recursive: true });
    writeFileSync(join(top, name), content);
  };
  write('package.json', '{ "type": "module" }');
  write(main, PROGRAM);
  if (bundled) {
    const name = `node_modules/node-${process.platform}-${process.arch}`;
    write(`${name}/package.json`, '{}');
    mkdirSync(join(top, name, 'bin'));
    symlinkSync(process.execPath, join(top, name, 'bin/node'));
  }
  mkdirSync(join(top, 'bin'));
  copyFileSync(LAUNCHER, join(top, 'bin/mosaic-siem.js'));
  return join(top, 'bin/mosaic-siem.js');
}

function start(old: Old, launcher: string, words: readonly string[]): ChildProcess {
  const [program = '', ...rest] = old.words(launcher, words);
  return spawn(program, rest);
}

async function end(child: ChildProcess) {
  assert.ok(child.stdout && child.stderr);
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, string | null]>,
  ]);
  return { code, signal, stdout, stderr };
}

function findOldNode(): { path: string; version: string } | undefined {
  for (const place of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(place, 'node');
    if (!isProgram(path)) continue;
    const version = execFileSync(path, ['--version'], { encoding: 'utf8' }).trim().slice(1);
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major < 24 || (major === 24 && minor < 15)) return { path, version };
  }
  return undefined;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
