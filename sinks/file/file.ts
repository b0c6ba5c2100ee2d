import { access, constants, type FileHandle, open, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  type Outcome,
  type SecurityEvent,
  type Sink,
  type SinkContext,
  safeJson,
  Unavailable,
} from '../../src/sink.ts';

const NEWLINE = 0x0a;

/**
 * Appends to one file. Batches are written one after the other; a batch is delivered when it is synced. A batch that could
 * not be written whole is taken back, so that a full disk leaves no half line.
 */
export class FileSink implements Sink {
  readonly #path: string;
  readonly #context: SinkContext;
  #handle: FileHandle;
  #turn: Promise<unknown> = Promise.resolve();
  #movedTold = false;

  private constructor(path: string, context: SinkContext, handle: FileHandle) {
    this.#path = path;
    this.#context = context;
    this.#handle = handle;
  }

  static async open(path: string, context: SinkContext, signal: AbortSignal): Promise<FileSink> {
    signal.throwIfAborted();
    const absolute = resolve(path);
    return new FileSink(absolute, context, await openFile(absolute));
  }

  /** What stands in the way of writing; undefined where nothing does. Makes no file. */
  static async probe(path: string, _context: SinkContext, signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted();
    const absolute = resolve(path);
    try {
      const found = await stat(absolute).catch(() => undefined);
      if (found && !found.isFile()) return `${absolute} is not a regular file`;
      await access(found ? absolute : dirname(absolute), constants.W_OK);
      return undefined;
    } catch (error) {
      return unavailable(absolute, 'be opened', error).message;
    }
  }

  deliver(batch: readonly SecurityEvent[], signal: AbortSignal): Promise<readonly Outcome[]> {
    return this.#inTurn(async () => {
      signal.throwIfAborted();
      await this.#append(batch.map((event) => `${oneLine(event.json)}\n`).join(''));
      return batch.map(() => ({ status: 'delivered' }) as const);
    });
  }

  /** For log rotation: from here on to whatever the path names now. Where that fails, the open file stays in use. */
  reopen(): Promise<void> {
    return this.#inTurn(async () => {
      const old = this.#handle;
      this.#handle = await openFile(this.#path);
      this.#movedTold = false;
      await old.close();
    });
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#handle.close());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #append(lines: string): Promise<void> {
    if (lines === '') return;
    const { size, nlink, ino } = await this.#handle.stat();
    if (nlink === 0) throw new Unavailable(`${this.#path} was deleted; it is made anew`, { reopen: true });
    await this.#tellMoved(ino);
    const start = (await this.#endsInHalfLine(size)) ? '\n' : '';
    const bytes = Buffer.from(start + lines);
    try {
      await this.#handle.appendFile(bytes);
      await this.#handle.datasync();
    } catch (error) {
      await this.#takeBack(size, bytes.length);
      throw unavailable(this.#path, 'be written', error);
    }
  }

  /** A line that a crash cut off: it is ended before the next one begins. */
  async #endsInHalfLine(size: number): Promise<boolean> {
    if (size === 0) return false;
    const { buffer, bytesRead } = await this.#handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return bytesRead === 1 && buffer[0] !== NEWLINE;
  }

  /** Never more than what this batch can have written: another writer's lines are not ours to remove. */
  async #takeBack(size: number, written: number): Promise<void> {
    try {
      const now = await this.#handle.stat();
      if (now.size > size && now.size <= size + written) await this.#handle.truncate(size);
    } catch {
      // The half line stays, and the next batch ends it.
    }
  }

  async #tellMoved(inode: number): Promise<void> {
    if (this.#movedTold) return;
    const found = await stat(this.#path).catch(() => undefined);
    if (found?.ino === inode) return;
    this.#movedTold = true;
    this.#context.log('info', `${this.#path} was moved away; writing goes on in the moved file until SIGUSR2`);
  }
}

async function openFile(path: string): Promise<FileHandle> {
  let handle: FileHandle | undefined;
  try {
    const existed = await stat(path).then(
      () => true,
      () => false,
    );
    handle = await open(path, 'a+', 0o600);
    if (!(await handle.stat()).isFile()) throw new Error('it is not a regular file; for a terminal use type: console');
    if (!existed) await syncFolder(dirname(path));
    return handle;
  } catch (error) {
    await handle?.close();
    throw unavailable(path, 'be opened', error);
  }
}

/** So that the new file's name outlives a power cut, too. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * JSON text holds no line break unless somebody formatted it; then one inside a line is only white space. What would steer a
 * terminal is escaped, since files are looked at.
 */
function oneLine(json: string): string {
  return safeJson(json.includes('\n') ? json.replaceAll(/[\r\n]+/g, ' ') : json);
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'its folder must exist',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'this user may not write there',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder',
};

function unavailable(path: string, what: string, error: unknown): Unavailable {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const hint = HINTS[code];
  return new Unavailable(`${path} cannot ${what}: ${hint ? `${hint} (${code})` : message}`, {
    reopen: what === 'be written',
    cause: error,
  });
}
