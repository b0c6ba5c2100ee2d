import { existsSync, readFileSync } from 'node:fs';

/** A file of this package, from its top folder, which is one folder up in the source and two in the compiled form. */
export function packageFile(name: string): URL {
  const top = ['../', '../../'].find((place) => existsSync(new URL(`${place}package.json`, import.meta.url)));
  return new URL(`${top ?? '../'}${name}`, import.meta.url);
}

export function readVersion(): string {
  return (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version;
}
