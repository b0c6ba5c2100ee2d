import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { Unframe } from './syslog-framing.ts';
import { parseSyslogMessage, type SyslogMessage } from './syslog-message.ts';

/** What a receiver can be made to do; may be changed while it runs. */
interface SyslogDials {
  /** Connections are taken and closed at once. */
  acceptAndClose: boolean;
  /** Takes connections and reads nothing any more. */
  stall: boolean;
  /** Waits so long, in ms, before each read. */
  slow: number;
  /** After so many messages on a connection: reads no more, and `afterMs` later closes or resets it; the rest is lost. */
  closeAfter: { readonly messages: number; readonly how: 'end' | 'reset'; readonly afterMs?: number } | undefined;
}

export interface SyslogOptions {
  readonly protocol: 'tcp' | 'tls' | 'udp';
  readonly host?: string;
  /** 0, the default: the system chooses. */
  readonly port?: number;
  /** PEM. With `ca`, clients must show a certificate that it signed. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer; readonly ca?: string | Buffer };
  /** A larger message is a violation. */
  readonly maxSize?: number;
  /** false: count messages and their ids, keep none. */
  readonly keep?: boolean;
  readonly dials?: Partial<SyslogDials>;
}

/** A strict RFC 5424 receiver. It stores what is right and writes down what is wrong. */
export interface SyslogReceiver {
  /** `tls://127.0.0.1:PORT` */
  readonly address: string;
  readonly port: number;
  readonly dials: SyslogDials;
  /** In order of arrival; empty where nothing is kept. */
  readonly received: readonly SyslogMessage[];
  /** How often each event id came. */
  readonly ledger: ReadonlyMap<string, number>;
  readonly count: number;
  readonly violations: readonly string[];
  /** How many connections were ever opened. */
  readonly connections: number;
  /** true: ends every connection and refuses new ones. false: listens again on the same port. */
  setDown(down: boolean): Promise<void>;
  close(): Promise<void>;
}

export async function startSyslog(options: SyslogOptions): Promise<SyslogReceiver> {
  const receiver = new Receiver(options);
  await receiver.listen(options.port ?? 0);
  return receiver;
}

const MOST_VIOLATIONS = 1000;

class Receiver implements SyslogReceiver {
  readonly dials: SyslogDials;
  readonly received: SyslogMessage[] = [];
  readonly ledger = new Map<string, number>();
  readonly violations: string[] = [];
  count = 0;
  connections = 0;
  port = 0;
  readonly #options: SyslogOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | DatagramSocket | undefined;

  constructor(options: SyslogOptions) {
    this.#options = options;
    this.dials = { acceptAndClose: false, stall: false, slow: 0, closeAfter: undefined, ...options.dials };
  }

  get address(): string {
    const { protocol, host = '127.0.0.1' } = this.#options;
    return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  async listen(port: number): Promise<void> {
    const { host = '127.0.0.1', protocol } = this.#options;
    if (protocol === 'udp') {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      socket.on('message', (bytes) => this.#take(bytes));
      socket.bind(port, host);
      await once(socket, 'listening');
      this.#server = socket;
    } else {
      const server = this.#createServer();
      server.listen(port, host);
      await once(server, 'listening');
      this.#server = server;
    }
    const bound = this.#server.address();
    this.port = typeof bound === 'object' && bound ? bound.port : port;
  }

  async setDown(down: boolean): Promise<void> {
    if (down === (this.#server === undefined)) return;
    if (!down) return await this.listen(this.port);
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) abandon(socket);
    await new Promise<void>((resolve) => server?.close(() => resolve()));
  }

  close(): Promise<void> {
    return this.setDown(true);
  }

  #createServer(): Server {
    const { tls, protocol } = this.#options;
    if (protocol === 'tcp')
      return createServer((socket) => this.#serve(socket)).prependListener('connection', this.#know);
    if (!tls) throw new Error('a receiver with TLS needs a certificate and a key');
    const server = createTlsServer({ ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: true });
    server.prependListener('connection', this.#know);
    server.on('secureConnection', (socket) => {
      // From here on the TLS socket stands for the one below it.
      for (const known of this.#sockets) if (known.remotePort === socket.remotePort) this.#sockets.delete(known);
      this.#know(socket);
      this.#serve(socket);
    });
    server.on('tlsClientError', () => undefined);
    return server;
  }

  /** From its first packet on, so that it can be ended in the middle of a handshake. */
  readonly #know = (socket: Socket): void => {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  };

  #serve(socket: Socket): void {
    this.connections += 1;
    if (this.dials.acceptAndClose) return void socket.destroy();
    this.#read(socket).catch((error: NodeJS.ErrnoException) => {
      if (!error.code) this.#violation(error.message);
      socket.destroy();
    });
  }

  async #read(socket: Socket): Promise<void> {
    const unframe = new Unframe(this.#options.maxSize ?? 256 * 1024);
    let messages = 0;
    await this.#pause(socket);
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (const message of unframe.push(chunk)) {
        this.#take(message);
        messages += 1;
        const { closeAfter } = this.dials;
        if (closeAfter && messages >= closeAfter.messages) return await this.#leave(socket, closeAfter);
      }
      await this.#pause(socket);
    }
    if (unframe.pending > 0) this.#violation(`the connection ended ${unframe.pending} bytes into a message`);
  }

  async #pause(socket: Socket): Promise<void> {
    if (this.dials.slow > 0) await passed(this.dials.slow);
    while (this.dials.stall && !socket.destroyed) await passed(20);
  }

  async #leave(socket: Socket, { how, afterMs = 0 }: NonNullable<SyslogDials['closeAfter']>): Promise<void> {
    await passed(afterMs);
    if (how === 'end') socket.end();
    else abandon(socket);
  }

  #take(bytes: Buffer): void {
    if (bytes.length > (this.#options.maxSize ?? 256 * 1024)) this.#violation(`a message of ${bytes.length} bytes`);
    try {
      const message = parseSyslogMessage(bytes);
      this.count += 1;
      this.ledger.set(message.id, (this.ledger.get(message.id) ?? 0) + 1);
      if (this.#options.keep !== false) this.received.push(message);
    } catch (error) {
      this.#violation(`${error instanceof Error ? error.message : error}: ${bytes.toString('utf8', 0, 300)}`);
    }
  }

  #violation(text: string): void {
    if (this.violations.length < MOST_VIOLATIONS) this.violations.push(text);
  }
}

/**
 * Without a word. What TLS sits on, and what is being closed in order, cannot be reset (Node would keep its handle for
 * ever): it is closed, and with bytes unread that is a reset, too.
 */
function abandon(socket: Socket): void {
  if (socket instanceof TLSSocket || socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
