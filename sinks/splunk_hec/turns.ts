import type { SinkContext, Unavailable } from '../../src/sink.ts';
import type { Endpoint } from './endpoint.ts';

/** How long a url that failed is left out, while another works. */
const LEFT_OUT_MS = 30_000;
/** However long it asks for. */
const MAX_LEFT_OUT_MS = 300_000;

export interface Turns {
  next(): Endpoint;
  worked(endpoint: Endpoint): void;
  /** true: another url is left to try. */
  failed(endpoint: Endpoint, error: Unavailable): boolean;
}

/** The urls one after the other, without those that failed of late; where all did, the one that failed first. */
export function inTurn(endpoints: readonly Endpoint[], log: SinkContext['log']): Turns {
  const outUntil = new Map<Endpoint, number>();
  let last = -1;
  const isOut = (endpoint: Endpoint) => (outUntil.get(endpoint) ?? 0) > Date.now();
  return {
    next: () => {
      const rotated = endpoints.map((_, index) => (last + 1 + index) % endpoints.length);
      const until = (index: number) => Math.max(0, outUntil.get(endpoints[index] as Endpoint) ?? 0);
      const free = rotated.find((index) => !isOut(endpoints[index] as Endpoint));
      last = free ?? rotated.reduce((first, index) => (until(index) < until(first) ? index : first));
      const endpoint = endpoints[last] as Endpoint;
      // One that failed is tried by one batch, not by all at once.
      if (outUntil.has(endpoint)) outUntil.set(endpoint, Date.now() + LEFT_OUT_MS);
      return endpoint;
    },
    worked: (endpoint) => {
      if (outUntil.delete(endpoint) && endpoints.length > 1) log('info', `${endpoint.origin} takes events again`);
    },
    failed: (endpoint, error) => {
      const known = outUntil.has(endpoint);
      const ms = Math.min(MAX_LEFT_OUT_MS, Math.max(LEFT_OUT_MS, error.retryAfterMs ?? 0));
      outUntil.set(endpoint, Date.now() + ms);
      const another = endpoints.some((one) => one !== endpoint && !isOut(one));
      if (another && !known) log('warn', `${error.message}; the other urls go on`);
      return another;
    },
  };
}
