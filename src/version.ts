import { existsSync, readFileSync } from 'node:fs';

/** The version of this program, from its package.json, which lies one folder up in the source and two in the compiled form. */
export function readVersion(): string {
  const places = ['../package.json', '../../package.json'].map((place) => new URL(place, import.meta.url));
  const file = places.find((place) => existsSync(place));
  return file ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : 'unknown';
}
