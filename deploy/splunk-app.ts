/**
 * `npm run build:splunk-app [FOLDER]`: packs the app for Splunk as `transmit_mosaic_idv-VERSION.tgz`, by default into dist/. The same
 * source gives the same bytes: no time, no owner and no name of this machine is in it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { APP } from '../sinks/splunk_hec/app/conf.ts';
import { type CodeRow, splunkFiles } from '../sinks/splunk_hec/app/files.ts';
import { VERIFY_ACTIVITIES } from '../src/normalize/mapping-verify.ts';
import { readVersion } from '../src/version.ts';

/** All files of the app, by their path from the top of the project. */
export function splunkAppFiles(version = readVersion()): ReadonlyMap<string, string> {
  return splunkFiles(codeRows(), version);
}

function codeRows(): readonly CodeRow[] {
  return [...VERIFY_ACTIVITIES].flatMap(([activity, { values, other }]) =>
    [...values.values(), other].map(({ code, outcome, severity, message }) => ({
      code,
      activity,
      outcome,
      severity,
      message,
    })),
  );
}

/** The files in a folder of the app's name, which Splunk unpacks into etc/apps. */
export function packed(files: ReadonlyMap<string, string>): Buffer {
  const inApp = [...files].map(([path, text]) => [path.slice(path.indexOf(`${APP}/`)), text] as const);
  const folders = new Set(inApp.flatMap(([path]) => foldersOf(path)));
  const entries = [...[...folders].map((path) => [path, undefined] as const), ...inApp];
  entries.sort(([one], [other]) => (one < other ? -1 : 1));
  const parts = entries.flatMap(([path, text]) => entry(path, text));
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]), { level: 9 });
}

function foldersOf(path: string): readonly string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => `${names.slice(0, index + 1).join('/')}/`);
}

const BLOCK = 512;
/** The first second that tar and zip both can tell; it stands for none. */
const MODIFIED = Date.UTC(1980, 0, 1) / 1000;

/** POSIX ustar: a header, and the text filled up to whole blocks. */
function entry(path: string, text: string | undefined): readonly Buffer[] {
  if (path.length > 100) throw new Error(`too long for a name in an archive: ${path}`);
  const body = Buffer.from(text ?? '');
  const folder = text === undefined;
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`;
  const write = (value: string, at: number) => header.write(value, at, 'latin1');
  write(path, 0);
  write(octal(folder ? 0o755 : 0o644, 8), 100);
  write(octal(0, 8), 108);
  write(octal(0, 8), 116);
  write(octal(body.length, 12), 124);
  write(octal(MODIFIED, 12), 136);
  write('        ', 148);
  write(folder ? '5' : '0', 156);
  write('ustar\x0000', 257);
  write('root', 265);
  write('root', 297);
  const sum = header.reduce((total, byte) => total + byte, 0);
  write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [header, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)];
}

/** @returns the path of the package */
function build(folder: string): string {
  const version = readVersion();
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${APP}-${version}.tgz`);
  writeFileSync(file, packed(splunkAppFiles(version)));
  return file;
}

if (import.meta.main) console.log(build(process.argv[2] ?? fileURLToPath(new URL('../dist', import.meta.url))));
