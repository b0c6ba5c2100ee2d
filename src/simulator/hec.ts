import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerTo, channelOf, type HecCall, type HecDials, type HecOptions, type State } from './hec-answers.ts';
import type { StoredEvent } from './hec-objects.ts';

export type { HecOptions } from './hec-answers.ts';

const MAX_CALLS = 10_000;

export interface Hec {
  readonly url: string;
  readonly token: string;
  readonly dials: HecDials;
  /** What is indexed, in order. */
  readonly stored: readonly StoredEvent[];
  /** How often each idv_event_id is indexed. */
  readonly ledger: ReadonlyMap<string, number>;
  readonly count: number;
  /** Calls by path and what came with them, in order; never the body. */
  readonly calls: readonly HecCall[];
  /** As a start of Splunk: channels and acknowledgements are forgotten. */
  forgetChannels(): void;
  close(): Promise<void>;
}

/** A strict HTTP Event Collector on 127.0.0.1: what real ones forgive in silence shows here as a loss. */
export async function startHec(options: HecOptions = {}): Promise<Hec> {
  const state: State = {
    options,
    token: options.token ?? '11111111-2222-4333-8444-555555555555',
    dials: { ...options.dials },
    stored: [],
    ledger: new Map(),
    calls: [],
    channels: new Map(),
    count: 0,
    requests: 0,
    acks: 0,
  };
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    respond(state, request, response).catch(() => response.destroy());
  };
  const server = options.tls ? createHttpsServer(options.tls, answer) : createHttpServer(answer);
  server.on('connection', (socket: Socket) => {
    if (state.dials.down) socket.resetAndDestroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    token: state.token,
    dials: state.dials,
    stored: state.stored,
    ledger: state.ledger,
    calls: state.calls,
    get count() {
      return state.count;
    },
    forgetChannels: () => state.channels.clear(),
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function respond(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { dials } = state;
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  if (dials.down) return void request.socket.resetAndDestroy();
  if (dials.delayMs) await sleep(dials.delayMs, undefined, { ref: false });
  const path = new URL(request.url ?? '/', 'http://hec').pathname;
  noteCall(state, path, request);
  const answer = await answerTo(state, path, request, Buffer.concat(chunks));
  if (!answer) return void request.socket.destroy();
  const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
  const cookie = dials.cookie?.();
  response.writeHead(answer.status, {
    'content-type': typeof answer.body === 'string' ? 'text/html' : 'application/json',
    'content-length': Buffer.byteLength(text),
    ...(cookie && { 'set-cookie': cookie }),
    ...answer.headers,
  });
  if (dials.cutAnswer && path.endsWith('/event')) {
    response.write(text.slice(0, 5), () => request.socket.destroy());
  } else if (dials.drip === undefined) response.end(text);
  else await dripOut(response, text, dials.drip);
}

async function dripOut(response: ServerResponse, text: string, ms: number): Promise<void> {
  for (const character of text) {
    if (response.destroyed) return;
    response.write(character);
    await sleep(ms, undefined, { ref: false });
  }
  response.end();
}

function noteCall(state: State, path: string, request: IncomingMessage): void {
  if (state.calls.length >= MAX_CALLS) return;
  state.calls.push({ path, channel: channelOf(request), cookie: request.headers.cookie });
}
