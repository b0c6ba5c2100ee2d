import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { TlsOptions } from '../http.ts';
import { reasonOf } from './interpolate.ts';
import type { Path } from './mistakes.ts';
import type { ConfigTree } from './tree.ts';

/** What every end that is talked to has: Mosaic, a sink, an output of the log. As written, so any of it may be wrong. */
export interface End {
  readonly tls?: unknown;
  readonly proxy?: unknown;
  readonly insecure?: unknown;
}

export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127\.\d+\.\d+\.\d+$/.test(name);
}

/** An address of an end, for http or https. A mistake is told; true when there is none. */
export function checkUrl(tree: ConfigTree, path: Path, value: unknown, end: End): boolean {
  if (typeof value !== 'string' || value === '') return false;
  const mistake = schemeMistake(tree, path, value) ?? urlMistake(value, isTrue(end.insecure));
  if (mistake) tree.tell(path, mistake);
  return mistake === undefined;
}

function schemeMistake(tree: ConfigTree, path: Path, value: string): string | undefined {
  if (/^https?:\/\//i.test(value)) return undefined;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return 'must begin with https://';
  const suggestion = `https://${value}`;
  const harmless = tree.fromOutside(path).length === 0 && URL.canParse(suggestion) && !value.includes('@');
  return `must begin with https://${harmless ? ` (did you mean ${suggestion}?)` : ''}`;
}

/** What is wrong with an address for http or https. */
export function urlMistake(value: string, insecure: boolean): string | undefined {
  if (!URL.canParse(value)) return 'is not a URL, expected https://HOST, https://HOST:PORT or more';
  const { protocol, hostname, username, password } = new URL(value);
  if (username || password) return 'must not hold a user name or password: these have keys of their own';
  if (protocol === 'https:' || isLoopback(hostname) || insecure) return undefined;
  return 'http:// sends everything unencrypted: use https://, or add insecure: true here';
}

function isTrue(value: unknown): boolean {
  return value === true || value === 'true';
}

export function checkProxy(tree: ConfigTree, path: Path, { proxy }: End): void {
  if (typeof proxy !== 'string' || proxy === '') return;
  if (!/^https?:\/\//i.test(proxy) || !URL.canParse(proxy))
    tree.tell([...path, 'proxy'], 'expected http://HOST:PORT or https://HOST:PORT');
}

/** The files, absolute, after they have been read once. */
export function checkTls(tree: ConfigTree, path: Path, { tls }: End, folder: string): TlsOptions {
  const given = (typeof tls === 'object' && tls !== null ? tls : {}) as Readonly<Record<string, unknown>>;
  const file = (key: string) => (typeof given[key] === 'string' ? resolve(folder, given[key]) : undefined);
  const [ca, cert, key] = [file('ca'), file('cert'), file('key')];
  const tell = (which: string, message: string) => tree.tell([...path, 'tls', which], message);
  if (cert && !key) tell('cert', 'a client certificate needs its private key: add key');
  if (key && !cert) tell('key', 'a private key needs its certificate: add cert');
  const contents = Object.entries({ ca, cert, key }).map(
    ([which, file]) => [which, file && read(file, (message) => tell(which, message))] as const,
  );
  const { ca: trusted, cert: certificate, key: privateKey } = Object.fromEntries(contents);
  if (trusted) attempt({ ca: trusted }, (message) => tell('ca', message));
  if (certificate && privateKey) attempt({ cert: certificate, key: privateKey }, (message) => tell('cert', message));
  return { ca, cert, key, verify: given['verify'] !== false && given['verify'] !== 'false' };
}

function read(file: string, tell: (message: string) => void): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.includes('-----BEGIN ')) return text;
    tell(`${file} is not a PEM file`);
  } catch (error) {
    tell(`${file} cannot be read: ${reasonOf(error)}`);
  }
  return undefined;
}

function attempt(parts: { ca?: string; cert?: string; key?: string }, tell: (message: string) => void): void {
  try {
    createSecureContext(parts);
  } catch (error) {
    tell(
      `${Object.keys(parts).join(' and ')} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** What is allowed, and said at every start. */
export function endWarnings(name: string, addresses: readonly unknown[], tls: TlsOptions): string[] {
  const warnings = tls.verify === false ? [`${name}: tls.verify is false, any certificate is taken`] : [];
  for (const address of addresses) {
    const [, scheme = ''] = /^(http|tcp|udp):\/\//i.exec(String(address)) ?? [];
    if (scheme && URL.canParse(String(address)) && !isLoopback(new URL(String(address)).hostname))
      warnings.push(
        `${name}: ${scheme.toLowerCase()}:// is not encrypted, what is sent can be read and changed on the way`,
      );
  }
  return [...new Set(warnings)];
}
