import type { Reply } from './elasticsearch.ts';

/** A refusal in the words of the real server. */
export function problem(status: number, type: string, reason: string): Reply {
  const cause = { type, reason };
  return { status, body: { error: { root_cause: [cause], ...cause }, status } };
}
