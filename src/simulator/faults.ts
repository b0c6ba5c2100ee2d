import type { ServerResponse } from 'node:http';

/** How one answer goes wrong. */
export type Fault =
  /** Another answer in place of the true one. `consume`: the stream has moved on all the same. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
      readonly consume?: boolean;
    }
  /** The connection is reset in place of an answer. */
  | { readonly kind: 'reset'; readonly consume?: boolean }
  /** Nothing, until the client goes away. */
  | { readonly kind: 'silence'; readonly consume?: boolean }
  /** The true answer, cut off behind so many bytes. `chunked`: without a content-length. */
  | { readonly kind: 'cut'; readonly bytes: number; readonly chunked?: boolean }
  /** The true answer, so many bytes at a time, with this pause between. */
  | { readonly kind: 'drip'; readonly bytes: number; readonly pauseMs: number };

export function consumes(fault: Fault | undefined): boolean {
  return !fault || fault.kind === 'cut' || fault.kind === 'drip' || fault.consume === true;
}

export interface TrueAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array;
}

/**
 * Answers, well or badly.
 * @param ending called before the reader can have the end of the answer: `close` may come after the reader's next call
 */
export function send(
  response: ServerResponse,
  answer: TrueAnswer,
  fault: Fault | undefined,
  ending: () => void = () => undefined,
): void {
  if (fault?.kind === 'drip') return void drip(response, answer, fault, ending);
  if (fault?.kind !== 'silence') ending();
  if (!fault) sendWhole(response, answer);
  else if (fault.kind === 'answer') {
    response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers }).end(fault.body ?? '');
  } else if (fault.kind === 'reset') response.socket?.resetAndDestroy();
  else if (fault.kind === 'cut') sendCut(response, answer, fault.bytes, fault.chunked ?? false);
}

function sendWhole(response: ServerResponse, { status, type, body }: TrueAnswer): void {
  const length = { 'content-length': body.length };
  response.writeHead(status, status === 204 ? {} : { 'content-type': type, ...length }).end(body);
}

function sendCut(response: ServerResponse, answer: TrueAnswer, bytes: number, chunked: boolean): void {
  const length = chunked ? {} : { 'content-length': answer.body.length };
  response.writeHead(answer.status, { 'content-type': answer.type, ...length });
  // Ended, not reset: a reset could overtake the bytes that were sent.
  response.write(answer.body.subarray(0, bytes), () => response.socket?.end());
}

async function drip(
  response: ServerResponse,
  { status, type, body }: TrueAnswer,
  { bytes, pauseMs }: Fault & { kind: 'drip' },
  ending: () => void,
): Promise<void> {
  response.writeHead(status, { 'content-type': type, 'content-length': body.length });
  for (let sent = 0; sent < body.length && !response.destroyed; sent += bytes) {
    if (sent + bytes >= body.length) ending();
    response.write(body.subarray(sent, sent + bytes));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  response.end();
}

/** A row of faults: one for each call from the front of `next`; after them `always`, on every `every`-th call. */
export interface FaultRow {
  next: (Fault | undefined)[];
  always: Fault | undefined;
  every: number;
}

export function newFaultRow(): FaultRow {
  return { next: [], always: undefined, every: 1 };
}

/** The fault of this call. An `undefined` in `next` is a call that goes well. */
export function faultFor(row: FaultRow, call: number): Fault | undefined {
  if (row.next.length > 0) return row.next.shift();
  return call % row.every === 0 ? row.always : undefined;
}
