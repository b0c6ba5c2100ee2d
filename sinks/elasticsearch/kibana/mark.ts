/**
 * How `install` knows its own rules and dashboards again. Kibana throws a rule's `meta` away when the rule is saved in its pages; tags
 * and descriptions stay. So the mark is a text of them: who put it there, of which version, and a digest of what was put there, by
 * which a change by hand shows.
 */
import { createHash } from 'node:crypto';
import { CONTENT_VERSION, MANAGED_BY } from '../templates.ts';

export interface Mark {
  readonly version: number;
  readonly digest: string;
}

export function markOf(content: unknown): string {
  return `${MANAGED_BY} ${CONTENT_VERSION} ${digestOf(content)}`;
}

const FORM = new RegExp(`\\b${MANAGED_BY} (\\d+) ([0-9a-f]{12})\\b`);

export function readMark(texts: readonly string[]): Mark | undefined {
  const [, version, digest] = texts.map((text) => FORM.exec(text)).find((found) => found) ?? [];
  return version && digest ? { version: Number(version), digest } : undefined;
}

export function isMark(text: string): boolean {
  return FORM.test(text);
}

/** The keys have to come in the same order each time. */
export function digestOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 12);
}
