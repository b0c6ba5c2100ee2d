import type { Span } from './detection.ts';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export function milliseconds(span: Span): number {
  const [, number = '', unit = ''] = /^(\d+)(ms|s|m|h|d)$/.exec(span) ?? [];
  if (!(unit in UNITS)) throw new Error(`${span} is no span of time`);
  return Number(number) * UNITS[unit as keyof typeof UNITS];
}
