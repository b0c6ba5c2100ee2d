/** Stands in front of one SIEM, knows nothing of what it says, and makes its network go wrong. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import type { Scope } from '../fixtures/process.ts';
import type { Certificates, ServerCertificate } from '../integration/certificates.ts';

export type Mode =
  | { readonly kind: 'pass' }
  /** Nobody listens. */
  | { readonly kind: 'closed' }
  /** Connections are accepted and closed at once. */
  | { readonly kind: 'slam' }
  /** Connections are accepted, and those that are open stay so, but nothing passes any more: they never come back. */
  | { readonly kind: 'silent' }
  /** What either side says comes so much later. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** What is sent arrives; in place of the answer the connection is reset. */
  | { readonly kind: 'loses answers' }
  /** Each request of HTTP gets this answer, and the server never sees it. */
  | { readonly kind: 'answers'; readonly head: string; readonly body: string }
  /** What the server says, with a word changed. As long as it was. */
  | { readonly kind: 'rewrites'; readonly from: RegExp; readonly to: string };

export interface Gate {
  readonly port: number;
  /** How many connections, requests or answers have met the present mode. */
  readonly met: number;
  set(mode: Mode): Promise<void>;
  /** The certificate that is shown from now on. */
  show(certificate: ServerCertificate): void;
}

/** @param certificates with them it ends TLS, and the server behind it speaks none */
export async function startGate(scope: Scope, target: number, certificates?: Certificates): Promise<Gate> {
  const gate = new Way(target, certificates);
  await gate.listen();
  scope.after(() => gate.close());
  return gate;
}

class Way implements Gate {
  port = 0;
  met = 0;
  #mode: Mode = { kind: 'pass' };
  readonly #target: number;
  readonly #certificates: Certificates | undefined;
  readonly #server: Server | TlsServer;
  readonly #open = new Set<Socket>();

  constructor(target: number, certificates?: Certificates) {
    this.#target = target;
    this.#certificates = certificates;
    this.#server = certificates ? createTlsServer(pairOf(certificates, 'good')) : createServer();
    this.#server.on(certificates ? 'secureConnection' : 'connection', (socket: Socket) => this.#serve(socket));
    this.#server.on('connection', (socket: Socket) => this.#know(socket));
    this.#server.on('tlsClientError', () => {
      this.met += 1;
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as { port: number }).port;
  }

  async set(mode: Mode): Promise<void> {
    const frozen = this.#mode.kind === 'silent';
    this.#mode = mode;
    this.met = 0;
    if (mode.kind === 'closed' || mode.kind === 'slam' || mode.kind === 'answers') this.#endAll();
    if (mode.kind === 'closed') {
      this.met = 1;
      await new Promise((resolve) => this.#server.close(resolve));
    } else if (!this.#server.listening) await this.listen();
    // Those that met silence stay as they are: whoever waits on them must give up by himself.
    if (frozen) this.#open.clear();
  }

  show(certificate: ServerCertificate): void {
    if (!this.#certificates) throw new Error('this gate speaks no TLS');
    (this.#server as TlsServer).setSecureContext(pairOf(this.#certificates, certificate));
    this.met = 0;
    this.#endAll();
  }

  async close(): Promise<void> {
    this.#endAll();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  #endAll(): void {
    for (const socket of this.#open) socket.destroy();
    this.#open.clear();
  }

  #know(socket: Socket): void {
    this.#open.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#open.delete(socket));
  }

  #serve(client: Socket): void {
    this.#know(client);
    const { kind } = this.#mode;
    if (kind === 'slam' || kind === 'silent') this.met += 1;
    if (kind === 'slam') return void client.destroy();
    const server = connect(this.#target, '127.0.0.1').on('error', () => undefined);
    const [forth, back, request] = [new Late(server), new Late(client), new Requests()];
    client.on('data', (data: Buffer) => {
      const mode = this.#mode;
      if (mode.kind === 'silent' || mode.kind === 'slow') this.met += 1;
      if (mode.kind === 'answers' && request.take(data)) this.#answer(client, mode);
      else if (mode.kind !== 'answers' && mode.kind !== 'silent') forth.write(data, mode.kind === 'slow' ? mode.ms : 0);
    });
    server.on('data', (data: Buffer) => this.#pass(client, back, data));
    // What was taken from the one side still goes to the other.
    client.on('close', () => server.destroySoon());
    server.on('close', () => this.#mode.kind !== 'silent' && client.end());
  }

  #pass(client: Socket, back: Late, data: Buffer): void {
    const mode = this.#mode;
    if (mode.kind !== 'pass') this.met += 1;
    if (mode.kind === 'silent') return;
    if (mode.kind === 'loses answers') return void client.destroy();
    const rewritten =
      mode.kind === 'rewrites' ? Buffer.from(data.toString('latin1').replace(mode.from, mode.to), 'latin1') : data;
    back.write(rewritten, mode.kind === 'slow' ? mode.ms : 0);
  }

  #answer(client: Socket, { head, body }: Extract<Mode, { kind: 'answers' }>): void {
    this.met += 1;
    client.end(`HTTP/1.1 ${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
  }
}

function pairOf({ path }: Certificates, name: ServerCertificate): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(path(`${name}.pem`)), key: readFileSync(path(`${name}.key`)) };
}

/** Late or at once, what goes one way stays in its order. */
class Late {
  readonly #to: Socket;
  #before: Promise<void> | undefined;

  constructor(to: Socket) {
    this.#to = to;
  }

  write(data: Buffer, ms: number): void {
    if (ms === 0 && !this.#before) return void (this.#to.writable && this.#to.write(data));
    const due = sleep(ms);
    const mine = Promise.all([this.#before, due]).then(() => {
      if (this.#to.writable) this.#to.write(data);
      if (this.#before === mine) this.#before = undefined;
    });
    this.#before = mine;
  }
}

/** Where a request ends: an answer that comes before would be another fault. */
class Requests {
  #bytes = Buffer.alloc(0);

  take(data: Buffer): boolean {
    this.#bytes = Buffer.concat([this.#bytes, data]);
    const head = this.#bytes.indexOf('\r\n\r\n');
    if (head < 0) return false;
    const length = /content-length: *(\d+)/i.exec(this.#bytes.toString('latin1', 0, head))?.[1] ?? '0';
    if (this.#bytes.length < head + 4 + Number(length)) return false;
    this.#bytes = Buffer.alloc(0);
    return true;
  }
}
