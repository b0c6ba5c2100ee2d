/** Certificates of a private CA, good ones and each kind of bad one, as PEM files in a folder of their own. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ends } from './servers.ts';

/** What the server's certificate is called in the folder; `serve` puts another in its place. */
export type ServerCertificate = 'good' | 'expired' | 'elsewhere' | 'strange';

export interface Certificates {
  /** Holds ca.pem, server.pem, server.key, client.pem, client.key, stranger.pem and stranger.key. */
  readonly folder: string;
  path(name: string): string;
  /** From the server's next start on. `elsewhere`: for another name. `strange`: of a CA that nobody knows. */
  serve(certificate: ServerCertificate): void;
}

/** The name in the client's certificate. The stranger's has the same, of another CA. */
export const CLIENT_NAME = 'forwarder.example';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const HERE = 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n';
const AWAY = 'subjectAltName=DNS:elsewhere.example\nextendedKeyUsage=serverAuth\n';
const CLIENT = `subjectAltName=DNS:${CLIENT_NAME}\nextendedKeyUsage=clientAuth\n`;

export function makeCertificates(context: Ends): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'mosaic-siem-certificates-'));
  context.after(async () => rmSync(folder, { recursive: true }));
  const path = (name: string) => join(folder, name);
  const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });
  for (const name of ['ca', 'other-ca']) {
    openssl(
      'req',
      '-x509',
      ...KEY,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      path(`${name}.pem`),
    );
  }
  const sign = (name: string, ca: string, days: number, extensions: string) => {
    writeFileSync(path('extensions'), extensions);
    const common = extensions === CLIENT ? CLIENT_NAME : name;
    openssl('req', ...KEY, '-subj', `/CN=${common}`, '-keyout', `${name}.key`, '-out', `${name}.request`);
    const signer = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', String(days)];
    openssl('x509', '-req', '-in', `${name}.request`, ...signer, '-extfile', 'extensions', '-out', `${name}.pem`);
  };
  sign('good', 'ca', 2, HERE);
  sign('expired', 'ca', -1, HERE);
  sign('elsewhere', 'ca', 2, AWAY);
  sign('strange', 'other-ca', 2, HERE);
  sign('client', 'ca', 2, CLIENT);
  sign('stranger', 'other-ca', 2, CLIENT);
  return certificatesIn(folder);
}

/** The same ones in a folder of their own, for a server that is to show others than its neighbours. */
export function copyCertificates(context: Ends, { folder: from }: Certificates): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'mosaic-siem-certificates-'));
  context.after(async () => rmSync(folder, { recursive: true }));
  cpSync(from, folder, { recursive: true });
  return certificatesIn(folder);
}

function certificatesIn(folder: string): Certificates {
  const path = (name: string) => join(folder, name);
  const serve = (certificate: ServerCertificate) => {
    for (const kind of ['pem', 'key']) copyFileSync(path(`${certificate}.${kind}`), path(`server.${kind}`));
  };
  serve('good');
  return { folder, path, serve };
}
