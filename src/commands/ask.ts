import type { Status } from '../status/shape.ts';

/** Where the running process answers, as in the config. */
export interface StatusAddress {
  readonly host: string;
  readonly port: number;
  readonly token?: string | undefined;
}
export type Asked =
  | { readonly running: 'yes'; readonly status: Status; readonly url: string }
  /** Nothing listens there. */
  | { readonly running: 'no'; readonly why: string }
  | { readonly running: 'unknown'; readonly why: string };

const TIMEOUT_MS = 2_000;

/** Asks the process that runs with this config; waits at most 2 s. */
export async function askRunning(address: StatusAddress | undefined): Promise<Asked> {
  if (!address) return { running: 'unknown', why: 'status is switched off in the config' };
  const url = urlOf(address);
  try {
    const headers = address.token ? { authorization: `Bearer ${address.token}` } : undefined;
    const answer = await fetch(`${url}/api/status`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(headers && { headers }),
    });
    const body = answer.ok ? ((await answer.json()) as Partial<Status>) : undefined;
    if (Array.isArray(body?.streams) && Array.isArray(body?.sinks))
      return { running: 'yes', status: body as Status, url };
    return { running: 'unknown', why: `${url} answered ${answer.status}${advice(answer.status)}` };
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause;
    if (cause?.code === 'ECONNREFUSED') return { running: 'no', why: `nothing listens on ${url}` };
    return { running: 'unknown', why: `${url} did not answer: ${cause?.code ?? (error as Error).message}` };
  }
}

function urlOf({ host, port }: StatusAddress): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

function advice(status: number): string {
  if (status === 401 || status === 403) return ': its token is not the status.token of this config';
  return status === 200 ? ', but it is not a forwarder' : '';
}
