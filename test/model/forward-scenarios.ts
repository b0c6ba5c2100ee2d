import fc from 'fast-check';

/** What the sink makes of one delivery, unless an event in it has a nature of its own. */
export type Reply = { readonly afterMs: number } & (
  | { readonly kind: 'mixed'; readonly bits: number }
  | { readonly kind: 'all'; readonly status: 'delivered' | 'retry' | 'held' | 'unsent' | 'rejected' }
  | { readonly kind: 'unavailable'; readonly retryAfterMs?: number | undefined; readonly reopen: boolean }
  | { readonly kind: 'refused'; readonly tooLarge: boolean }
  | { readonly kind: 'throws'; readonly what: 'nothing' | 'a string' | 'an error' }
  | { readonly kind: 'lies'; readonly how: 'too few' | 'too many' | 'no list' | 'no outcome' }
);

type Call = 'read' | 'cursor' | 'commit' | 'orders' | 'revive' | 'replayed';

/** What happens around the sink. */
export type Happening = { readonly afterMs: number } & (
  | { readonly what: 'append'; readonly events: number; readonly stream: number }
  | { readonly what: 'restart'; readonly how: 'stop' | 'abort' }
  | {
      readonly what: 'spool fails';
      readonly call: Call;
      readonly times: number;
    }
  | { readonly what: 'open fails'; readonly times: number }
  | { readonly what: 'order'; readonly kind: 'revive' | 'discard' | 'replay' }
  | { readonly what: 'damage' }
);

export interface Scenario {
  readonly seed: number;
  readonly concurrency: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly limit?: number | undefined;
  /** One in so many events is refused whenever it is sent, makes its whole batch refused, or is put off; 0: none. */
  readonly rejected: number;
  readonly poisonous: number;
  readonly putOff: number;
  readonly filtered: boolean;
  readonly replies: readonly Reply[];
  readonly happenings: readonly Happening[];
}

const replyAfterMs = fc.constantFrom(0, 1, 1, 10, 10, 200, 3_000, 60_000);
const reply: fc.Arbitrary<Reply> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ afterMs: replyAfterMs, kind: fc.constant('mixed' as const), bits: fc.nat() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      afterMs: replyAfterMs,
      kind: fc.constant('all' as const),
      status: fc.constantFrom('delivered', 'delivered', 'retry', 'held', 'unsent', 'rejected'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      afterMs: replyAfterMs,
      kind: fc.constant('unavailable' as const),
      retryAfterMs: fc.constantFrom(undefined, undefined, 0, 5_000, 3_600_000),
      reopen: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ afterMs: replyAfterMs, kind: fc.constant('refused' as const), tooLarge: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      afterMs: replyAfterMs,
      kind: fc.constant('throws' as const),
      what: fc.constantFrom('nothing', 'a string', 'an error'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      afterMs: replyAfterMs,
      kind: fc.constant('lies' as const),
      how: fc.constantFrom('too few', 'too many', 'no list', 'no outcome'),
    }),
  },
);

const afterMs = fc.constantFrom(0, 0, 0, 1, 1, 20, 20, 700, 700, 6_000, 6_000, 40_000, 40_000, 660_000);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      afterMs,
      what: fc.constant('append' as const),
      events: fc.constantFrom(0, 1, 2, 9, 10, 40),
      stream: fc.nat({ max: 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ afterMs, what: fc.constant('restart' as const), how: fc.constantFrom('stop', 'abort') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      afterMs,
      what: fc.constant('spool fails' as const),
      call: fc.constantFrom('read', 'cursor', 'commit', 'commit', 'orders', 'revive', 'replayed'),
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ afterMs, what: fc.constant('open fails' as const), times: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      afterMs,
      what: fc.constant('order' as const),
      kind: fc.constantFrom('revive', 'discard', 'replay'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ afterMs, what: fc.constant('damage' as const) }) },
);

const anyScenario: fc.Arbitrary<Scenario> = fc.record({
  seed: fc.nat(),
  concurrency: fc.integer({ min: 1, max: 4 }),
  maxEvents: fc.constantFrom(1, 3, 10, 50),
  maxBytes: fc.constantFrom(300, 2_000, 1_000_000),
  limit: fc.constantFrom(undefined, undefined, undefined, 20),
  rejected: fc.constantFrom(0, 0, 7, 2, 1),
  poisonous: fc.constantFrom(0, 0, 9, 2),
  putOff: fc.constantFrom(0, 0, 13),
  filtered: fc.boolean(),
  replies: fc.array(reply, { maxLength: 60, size: 'max' }),
  happenings: fc.array(happening, { maxLength: 25, size: 'max' }),
});

/**
 * A sink that refuses all it holds is never believed, and how much it holds depends on the bytes of a batch: where nearly all
 * events are refused, the end of the log must come within reach.
 */
export const scenarios = anyScenario.map((one) => (one.rejected === 1 ? { ...one, maxBytes: 1_000_000 } : one));
