import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import file from '../../sinks/file/index.ts';
import { type Sink, Unavailable } from '../../src/sink.ts';
import { eventOf, failure, NEVER, someContext, someDocument, someEvents } from './syslog-fixtures.ts';

function someFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'file-sink-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function openFile(path: string, logged: string[] = []): Promise<Sink> {
  const log = (level: string, message: string) => logged.push(`${level} ${message}`);
  return await file.open({ path }, someContext({ log }), NEVER);
}

/** The ids of a file's lines; `damaged` for a line that is no JSON. */
function idsIn(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  assert.ok(text === '' || text.endsWith('\n'));
  return text.split('\n').slice(0, -1).map(idOf);
}

function idOf(line: string): string {
  try {
    return JSON.parse(line).event.id;
  } catch {
    return 'damaged';
  }
}

/** What every open file inherits, so that a test can stand between the sink and the system. */
async function handlePrototype(): Promise<FileHandle> {
  const handle = await openHandle('/dev/null');
  await handle.close();
  return Object.getPrototypeOf(handle) as FileHandle;
}

test('each event is one line of its JSON, appended in order', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  writeFileSync(path, `${JSON.stringify({ event: { id: 'before' } })}\n`);
  const sink = await openFile(path);
  const [first, second] = [someEvents(3), someEvents(2, 'b')];
  const outcomes = await Promise.all([
    sink.deliver(first, NEVER),
    sink.deliver(second, NEVER),
    sink.deliver([], NEVER),
  ]);
  assert.deepEqual(outcomes.flat(), Array(5).fill({ status: 'delivered' }));
  assert.deepEqual(idsIn(path), ['before', 'event-0', 'event-1', 'event-2', 'b0', 'b1']);
  assert.equal(readFileSync(path, 'utf8').split('\n')[1], first[0]?.json);
  await sink.close();
});

test('a new file is for its owner only', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  await (await openFile(path)).close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('JSON that somebody formatted still takes one line', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  const sink = await openFile(path);
  const event = eventOf(someDocument('a', { message: 'two\nlines' }));
  await sink.deliver([{ ...event, json: JSON.stringify(event.document, undefined, 2) }], NEVER);
  assert.deepEqual(idsIn(path), ['a']);
  await sink.close();
});

test('the lines are written, then synced, then delivered', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  const prototype = await handlePrototype();
  const sink = await openFile(path);
  const order: string[] = [];
  const synced = prototype.datasync;
  context.mock.method(prototype, 'datasync', async function (this: FileHandle) {
    order.push(`sync of ${idsIn(path).length} lines`);
    await synced.call(this);
    order.push('synced');
  });
  await sink.deliver(someEvents(2), NEVER).then(() => order.push('delivered'));
  assert.deepEqual(order, ['sync of 2 lines', 'synced', 'delivered']);
  await sink.close();
});

test('a failed sync delivers nothing, and the lines are taken back', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  const prototype = await handlePrototype();
  const sink = await openFile(path);
  await sink.deliver(someEvents(1), NEVER);
  const failing = context.mock.method(prototype, 'datasync', async () => {
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
  });
  const error = await failure(sink.deliver(someEvents(2, 'b'), NEVER));
  assert.ok(error instanceof Unavailable && error.reopen);
  assert.match(error.message, /events\.ndjson cannot be written: EIO/);
  assert.deepEqual(idsIn(path), ['event-0']);
  failing.mock.restore();
  await sink.deliver(someEvents(2, 'b'), NEVER);
  assert.deepEqual(idsIn(path), ['event-0', 'b0', 'b1']);
  await sink.close();
});

test('a line that a crash cut off is ended before the next begins', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  writeFileSync(path, '{"event":{"id":"whole"}}\n{"event":{"id":"cu');
  const sink = await openFile(path);
  await sink.deliver(someEvents(1), NEVER);
  assert.deepEqual(idsIn(path), ['whole', 'damaged', 'event-0']);
  appendFileSync(path, '{"half');
  await sink.deliver(someEvents(1, 'b'), NEVER);
  assert.deepEqual(idsIn(path), ['whole', 'damaged', 'event-0', 'damaged', 'b0']);
  await sink.close();
});

test('rotation: the moved file is written until reopen, then a new one', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  const logged: string[] = [];
  const sink = await openFile(path, logged);
  await sink.deliver(someEvents(1, 'a'), NEVER);
  assert.deepEqual(logged, []);
  renameSync(path, `${path}.1`);
  await sink.deliver(someEvents(1, 'b'), NEVER);
  await sink.deliver(someEvents(1, 'c'), NEVER);
  await Promise.all([sink.reopen?.(), sink.deliver(someEvents(1, 'd'), NEVER)]);
  assert.deepEqual(idsIn(`${path}.1`), ['a0', 'b0', 'c0']);
  assert.deepEqual(idsIn(path), ['d0']);
  assert.deepEqual(logged, [`info ${path} was moved away; writing goes on in the moved file until SIGUSR2`]);
  await sink.close();
});

test('a reopen that fails leaves the open file in use', async (context) => {
  const folder = join(someFolder(context), 'logs');
  mkdirSync(folder);
  const sink = await openFile(join(folder, 'events.ndjson'));
  renameSync(folder, `${folder}.moved`);
  assert.ok(sink.reopen);
  assert.match((await failure(sink.reopen())).message, /cannot be opened: its folder must exist \(ENOENT\)/);
  await sink.deliver(someEvents(1), NEVER);
  assert.deepEqual(idsIn(join(`${folder}.moved`, 'events.ndjson')), ['event-0']);
  await sink.close();
});

test('a file that was cut or copied away goes on from its new end', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  const sink = await openFile(path);
  await sink.deliver(someEvents(2, 'a'), NEVER);
  truncateSync(path, 0);
  await sink.deliver(someEvents(1, 'b'), NEVER);
  assert.deepEqual(idsIn(path), ['b0']);
  await sink.close();
});

test('into a deleted file nothing is delivered: nobody could read it', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  const sink = await openFile(path);
  rmSync(path);
  const error = await failure(sink.deliver(someEvents(1), NEVER));
  assert.ok(error instanceof Unavailable && error.reopen);
  await sink.close();
  const again = await openFile(path);
  await again.deliver(someEvents(1), NEVER);
  assert.deepEqual(idsIn(path), ['event-0']);
  await again.close();
});

test('what cannot be opened says why', async (context) => {
  const folder = someFolder(context);
  const cases: [RegExp, string][] = [
    [/cannot be opened: its folder must exist \(ENOENT\)/, join(folder, 'none', 'events.ndjson')],
    [/cannot be opened: it is a folder \(EISDIR\)/, folder],
    [/cannot be opened: it is not a regular file/, '/dev/null'],
  ];
  for (const [expected, path] of cases) {
    const error = await failure(openFile(path));
    assert.ok(error instanceof Unavailable);
    assert.match(error.message, expected);
  }
});

test('probe says whether the file can be written, and makes none', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  const probe = (given: string) => file.probe({ path: given }, someContext(), NEVER);
  assert.deepEqual(await probe(path), { ok: true, lines: [`${path}: can be written`] });
  assert.equal(existsSync(path), false);
  assert.match((await probe(join(path, 'none'))).lines.join(), /its folder must exist/);
  assert.equal((await probe('/dev/null')).ok, false);
});

test('an aborted delivery writes nothing', async (context) => {
  const path = join(someFolder(context), 'events.ndjson');
  const sink = await openFile(path);
  const reason = new Error('stop now');
  assert.equal(await failure(sink.deliver(someEvents(1), AbortSignal.abort(reason))), reason);
  assert.equal(readFileSync(path, 'utf8'), '');
  await sink.close();
});

test('a full disk: the batch is taken back, and delivered once there is room', async (context) => {
  const disk = mkdtempSync(join(tmpdir(), 'file-sink-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]);
  context.after(() => {
    if (mounted.status === 0) assert.equal(spawnSync('umount', ['--lazy', disk]).status, 0);
    rmSync(disk, { recursive: true });
  });
  if (mounted.status !== 0) {
    context.skip(
      `a small file system cannot be mounted here (${mounted.stderr ?? mounted.error}): a full disk is not tested`,
    );
    return;
  }
  const path = join(disk, 'events.ndjson');
  const sink = await openFile(path);
  await sink.deliver(someEvents(10), NEVER);
  writeFileSync(join(disk, 'filler'), Buffer.alloc(150_000));
  const before = readFileSync(path);
  const large = someEvents(200, 'large-', 1000);
  const error = await failure(sink.deliver(large, NEVER));
  assert.ok(error instanceof Unavailable);
  assert.match(error.message, /events\.ndjson cannot be written: the disk is full \(ENOSPC\)/);
  assert.deepEqual(readFileSync(path), before);
  rmSync(join(disk, 'filler'));
  await sink.deliver(large.slice(0, 100), NEVER);
  assert.equal(idsIn(path).length, 110);
  assert.ok(!idsIn(path).includes('damaged'));
  await sink.close();
});
