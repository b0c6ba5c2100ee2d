/** Certificates of a private CA, good ones and each kind of bad one, as PEM files in a folder of their own. */
import { copyFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { newAuthority, newCertificateFolder } from '../fixtures/authority.ts';
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

const HERE = 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth';
const AWAY = 'subjectAltName=DNS:elsewhere.example\nextendedKeyUsage=serverAuth';
const CLIENT = `subjectAltName=DNS:${CLIENT_NAME}\nextendedKeyUsage=clientAuth`;

export function makeCertificates(context: Ends): Certificates {
  const { folder, selfMade, sign } = newAuthority(newCertificateFolder(context));
  selfMade('ca');
  selfMade('other-ca');
  sign('good', 'ca', { days: 2, extensions: HERE });
  sign('expired', 'ca', { days: -1, extensions: HERE });
  sign('elsewhere', 'ca', { days: 2, extensions: AWAY });
  sign('strange', 'other-ca', { days: 2, extensions: HERE });
  sign('client', 'ca', { days: 2, extensions: CLIENT, common: CLIENT_NAME });
  sign('stranger', 'other-ca', { days: 2, extensions: CLIENT, common: CLIENT_NAME });
  return certificatesIn(folder);
}

/** The same ones in a folder of their own, for a server that is to show others than its neighbours. */
export function copyCertificates(context: Ends, { folder: from }: Certificates): Certificates {
  const folder = newCertificateFolder(context);
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
