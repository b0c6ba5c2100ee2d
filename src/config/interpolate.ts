import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

/** Where `${NAME}` and `${file:PATH}` are taken from. */
export interface Outside {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here: the folder of the config file. */
  readonly folder: string;
}

export type Interpolated =
  | { readonly text: string; readonly fromOutside: boolean }
  /** Never holds what a variable or a file says. */
  | { readonly mistake: string };

const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const LARGEST_FILE = 1024 * 1024;

/** One scalar, in one pass: what was put in is not looked at again. `$${` stands for `${`. */
export function interpolate(text: string, outside: Outside): Interpolated {
  let fromOutside = false;
  try {
    const resolved = text.replace(REFERENCE, (whole, reference: string | undefined, end: string) => {
      if (reference === undefined) return whole.slice(1);
      fromOutside = true;
      return look(reference, end, outside);
    });
    return { text: resolved, fromOutside };
  } catch (error) {
    if (error instanceof Unresolved) return { mistake: error.message };
    throw error;
  }
}

class Unresolved extends Error {}

function look(reference: string, end: string, outside: Outside): string {
  if (end === '') throw new Unresolved(`"\${" without "}" (write "$\${" for the two characters themselves)`);
  if (reference.startsWith('file:')) return contentOf(resolve(outside.folder, reference.slice('file:'.length)));
  if (!NAME.test(reference))
    throw new Unresolved(
      `only \${NAME} and \${file:PATH} are understood here (write "$\${" for the two characters themselves)`,
    );
  const value = outside.environment[reference];
  if (value === undefined) throw new Unresolved(`the environment variable ${reference} is not set`);
  return value;
}

/** Without its last newline. Only a plain file: reading a pipe could wait for ever. */
function contentOf(path: string): string {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new Unresolved(`${path} is not a plain file`);
    if (stat.size > LARGEST_FILE) throw new Unresolved(`${path} is larger than 1 MiB: it cannot be what is meant`);
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    if (error instanceof Unresolved) throw error;
    throw new Unresolved(`${path} cannot be read: ${reasonOf(error)}`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  EISDIR: 'it is a folder',
  ELOOP: 'its links go in a circle',
};

/** Why a file could not be read, in words. */
export function reasonOf(error: unknown): string {
  const { code = '' } = error as { code?: string };
  return REASONS[code] ?? (code || (error instanceof Error ? error.message : String(error)));
}
