import { randomUUID } from 'node:crypto';
import { type HttpResponse, httpClient, type ProbeReport, type SinkContext } from '../../src/sink.ts';
import { judge, readAcks, readReply, type Unusable } from './answer.ts';
import { type Exchange, exchanger, isUnusable } from './exchange.ts';
import { type Options, urlsOf } from './options.ts';

interface Line {
  readonly ok: boolean;
  readonly text: string;
}

/** Sends an empty body to each url: Splunk answers `No data` where the token works. Writes no event. */
export async function probe(options: Options, context: SinkContext, signal: AbortSignal): Promise<ProbeReport> {
  const client = httpClient(context);
  try {
    const lines = await Promise.all(
      urlsOf(options).map((url) => {
        const exchange = exchanger(client, url, options.token, context.timeoutMs);
        return probeUrl(exchange, new URL(url).origin, options, signal);
      }),
    );
    return { ok: lines.flat().every((line) => line.ok), lines: lines.flat().map((line) => line.text) };
  } finally {
    await client.close();
  }
}

async function probeUrl(exchange: Exchange, origin: string, options: Options, signal: AbortSignal): Promise<Line[]> {
  const headers = { 'x-splunk-request-channel': randomUUID() };
  const token = tokenLine(origin, await exchange('event', { headers, body: '' }, signal));
  if (!token.ok) return [token];
  const health = healthLine(origin, await exchange('health', {}, signal));
  const lines = health ? [token, health] : [token];
  if (!options.acknowledgement) return lines;
  const body = JSON.stringify({ acks: [0] });
  return [...lines, acknowledgementLine(origin, await exchange('ack', { headers, body }, signal))];
}

function tokenLine(origin: string, answer: HttpResponse | Unusable): Line {
  if (isUnusable(answer)) return { ok: false, text: answer.error.message };
  if (readReply(answer.body)?.code === 5) return { ok: true, text: `${origin}: the token works` };
  return { ok: false, text: complaint(origin, answer) };
}

/** Only what is wrong: not every collector has a health address, and busy now is not wrong for ever. */
function healthLine(origin: string, answer: HttpResponse | Unusable): Line | undefined {
  const code = isUnusable(answer) ? undefined : readReply(answer.body)?.code;
  if (code === undefined || code === 17 || isUnusable(answer)) return undefined;
  return { ok: true, text: `warning: ${complaint(origin, answer)}` };
}

function acknowledgementLine(origin: string, answer: HttpResponse | Unusable): Line {
  if (isUnusable(answer)) return { ok: false, text: answer.error.message };
  if (answer.status === 200 && readAcks(answer.body)) return { ok: true, text: `${origin}: the token acknowledges` };
  return { ok: false, text: complaint(origin, answer) };
}

function complaint(origin: string, answer: HttpResponse): string {
  const verdict = judge(answer, { origin, events: 0, bytes: 0 });
  if (verdict.kind === 'unavailable' || verdict.kind === 'refused') return verdict.error.message;
  return `Splunk at ${origin} answered ${answer.status}, which is no answer to an empty request`;
}
