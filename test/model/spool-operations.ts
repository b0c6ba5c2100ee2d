import fc from 'fast-check';

/** The n-th write statement of an operation is refused as by a full disk, or the process dies just before it. */
export interface Trouble {
  readonly at: number;
  readonly how: 'refused' | 'dies';
}

/**
 * What happens to a spool. Numbers that pick something (a page, a sink, an order) are taken modulo how many there are, so that
 * each part of a sequence stays a valid one.
 */
export type Operation = { readonly trouble?: Trouble | undefined; readonly look: boolean } & (
  | {
      readonly what: 'append';
      readonly stream: number;
      readonly activities: number;
      readonly kib: number;
      readonly minutesAgo: number;
      readonly counted: boolean;
    }
  | { readonly what: 'count'; readonly page: number }
  | {
      readonly what: 'commit';
      readonly sink: number;
      readonly pages: number;
      readonly more: number;
      readonly fates: number;
    }
  | { readonly what: 'commit wrongly'; readonly sink: number; readonly to: 'before' | 'beyond' }
  | { readonly what: 'wait for a page'; readonly arrives: boolean }
  | { readonly what: 'trim' }
  | { readonly what: 'reserve'; readonly kib: number }
  | { readonly what: 'release' }
  | {
      readonly what: 'order';
      readonly kind: 'revive' | 'discard' | 'replay';
      readonly sink: number;
      readonly filter: number;
    }
  | {
      readonly what: 'carry out';
      readonly order: number;
      readonly count: number;
      readonly refused: number;
      readonly twice: boolean;
    }
  | { readonly what: 'gap'; readonly stream: number }
  | { readonly what: 'damage'; readonly page: number; readonly how: 'bytes' | 'checksum' | 'missing' }
  | { readonly what: 'time'; readonly hours: number }
  | { readonly what: 'disk'; readonly full: boolean }
  | {
      readonly what: 'restart';
      readonly how: 'clean' | 'unclean' | 'killed';
      readonly sinks: number;
      readonly earliest: boolean;
      readonly was: number;
      /** What is stored from then on is encrypted with this one of two keys; 0: not at all. */
      readonly key: number;
    }
);

const small = fc.nat({ max: 9 });
const bits = fc.nat({ max: 0xffff });

/** Most operations meet no trouble, and after some of them everything is compared. */
const around = {
  trouble: fc.option(
    fc.record({ at: fc.nat({ max: 12 }), how: fc.constantFrom('refused' as const, 'dies' as const) }),
    {
      nil: undefined,
      freq: 4,
    },
  ),
  look: fc.constantFrom(true, false, false),
};

const append = fc.record({
  what: fc.constant('append' as const),
  stream: small,
  activities: fc.constantFrom(0, 1, 2, 3, 5, 5),
  kib: fc.constantFrom(0, 0, 60, 90),
  minutesAgo: fc.constantFrom(0, 0, 30, 200),
  counted: fc.oneof({ arbitrary: fc.constant(true), weight: 4 }, fc.constant(false)),
  ...around,
});
const commit = fc.record({
  what: fc.constant('commit' as const),
  sink: small,
  pages: fc.constantFrom(0, 0, 1, 2, 5, 20),
  more: fc.nat({ max: 4 }),
  fates: bits,
  ...around,
});
const restart = fc.record({
  what: fc.constant('restart' as const),
  how: fc.constantFrom('clean' as const, 'unclean' as const, 'killed' as const),
  sinks: fc.constantFrom(1, 2, 3, 3, 5, 6, 9, 12, 14),
  earliest: fc.boolean(),
  was: fc.nat({ max: 2 }),
  key: fc.nat({ max: 2 }),
  ...around,
});
const order = fc.record({
  what: fc.constant('order' as const),
  kind: fc.constantFrom('revive' as const, 'discard' as const, 'replay' as const),
  sink: small,
  filter: small,
  ...around,
});
const carryOut = fc.record({
  what: fc.constant('carry out' as const),
  order: small,
  count: fc.constantFrom(1, 2, 5),
  refused: bits,
  twice: fc.boolean(),
  ...around,
});
const time = fc.record({
  what: fc.constant('time' as const),
  hours: fc.constantFrom(-2, 1, 13, 25, 25, 100 * 24),
  ...around,
});
const others = [
  fc.record({ what: fc.constant('count' as const), page: small, ...around }),
  fc.record({
    what: fc.constant('commit wrongly' as const),
    sink: small,
    to: fc.constantFrom('before' as const, 'beyond' as const),
    ...around,
  }),
  fc.record({ what: fc.constant('wait for a page' as const), arrives: fc.boolean(), ...around }),
  fc.record({ what: fc.constant('reserve' as const), kib: fc.constantFrom(1, 50, 120), ...around }),
  fc.record({ what: fc.constant('release' as const), ...around }),
  fc.record({ what: fc.constant('gap' as const), stream: small, ...around }),
  fc.record({
    what: fc.constant('damage' as const),
    page: small,
    how: fc.constantFrom('bytes' as const, 'checksum' as const, 'missing' as const),
    ...around,
  }),
  fc.record({
    what: fc.constant('disk' as const),
    full: fc.constantFrom(true, false, false, false, false, false),
    ...around,
  }),
] as const;

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { arbitrary: append, weight: 20 },
  { arbitrary: commit, weight: 20 },
  { arbitrary: restart, weight: 5 },
  { arbitrary: order, weight: 7 },
  { arbitrary: carryOut, weight: 12 },
  { arbitrary: fc.record({ what: fc.constant('trim' as const), ...around }), weight: 8 },
  { arbitrary: time, weight: 5 },
  ...others.map((arbitrary) => ({ arbitrary: arbitrary as fc.Arbitrary<Operation>, weight: 1 })),
);

export const sequences: fc.Arbitrary<Operation[]> = fc.array(operation, { maxLength: 80, size: 'max' });
