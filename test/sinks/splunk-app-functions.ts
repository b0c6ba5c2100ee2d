/** The functions of `eval` that our searches use, written anew from Splunk's documentation. Null is unknown. */

export type Value = string | number | boolean | null | readonly string[];
export type Row = ReadonlyMap<string, Value>;

interface Known {
  /** v a value, c a condition; the rest as in a regular expression. */
  readonly takes: string;
  readonly gives: 'value' | 'condition';
  readonly call: (given: readonly Value[]) => Value;
}

export const FUNCTIONS: Readonly<Record<string, Known>> = {
  case: { takes: '(cv)+', gives: 'value', call: firstTrue },
  cidrmatch: { takes: 'vv', gives: 'condition', call: () => unknownHere('cidrmatch') },
  coalesce: { takes: 'v+', gives: 'value', call: (given) => given.find((value) => value !== null) ?? null },
  false: { takes: '', gives: 'condition', call: () => false },
  floor: { takes: 'v', gives: 'value', call: ([value]) => counted(value, Math.floor) },
  if: {
    takes: 'cvv',
    gives: 'value',
    call: ([condition, one = null, other = null]) => (condition === true ? one : other),
  },
  in: {
    takes: 'vv+',
    gives: 'condition',
    call: ([value = null, ...list]) => (value === null ? null : list.includes(value)),
  },
  isnotnull: { takes: 'v', gives: 'condition', call: ([value = null]) => value !== null },
  isnull: { takes: 'v', gives: 'condition', call: ([value = null]) => value === null },
  match: { takes: 'vv', gives: 'condition', call: ([value, pattern]) => matched(value, pattern) },
  mvappend: { takes: 'v+', gives: 'value', call: appended },
  mvfind: { takes: 'vv', gives: 'value', call: ([list, pattern]) => foundAt(list, pattern) },
  mvindex: { takes: 'vvv?', gives: 'value', call: ([list, from, to]) => sliced(list, from, to) },
  null: { takes: '', gives: 'value', call: () => null },
  round: {
    takes: 'vv?',
    gives: 'value',
    call: ([value, digits]) => counted(value, (one) => Number(one.toFixed(Number(digits ?? 0)))),
  },
  sqrt: { takes: 'v', gives: 'value', call: ([value]) => counted(value, Math.sqrt) },
  strftime: {
    takes: 'vv',
    gives: 'value',
    call: ([value]) => (isNumber(value) ? new Date(value * 1000).toISOString() : null),
  },
};

/** Numbers as numbers, texts as texts, upper and lower case apart. */
export function compare(sign: string, one: Value, other: Value): boolean | null {
  if (one === null || other === null) return null;
  if (sign === '==') return one === other;
  if (sign === '!=') return one !== other;
  const [left, right] = [one as number, other as number];
  if (sign === '>=') return left >= right;
  if (sign === '<=') return left <= right;
  return sign === '<' ? left < right : left > right;
}

function unknownHere(name: string): never {
  throw new Error(`${name} is read here, and not run`);
}

function isNumber(value: Value | undefined): value is number {
  return typeof value === 'number';
}

function counted(value: Value | undefined, by: (value: number) => number): Value {
  return isNumber(value) ? by(value) : null;
}

function firstTrue(given: readonly Value[]): Value {
  const at = given.findIndex((value, index) => index % 2 === 0 && value === true);
  return at < 0 ? null : (given[at + 1] ?? null);
}

function matched(value: Value | undefined, pattern: Value | undefined): boolean | null {
  return typeof value === 'string' ? new RegExp(String(pattern)).test(value) : null;
}

function listOf(value: Value | undefined): readonly string[] {
  if (value === null || value === undefined) return [];
  return Array.isArray(value) ? value : [String(value)];
}

function appended(given: readonly Value[]): Value {
  const all = given.flatMap(listOf);
  return all.length > 0 ? all : null;
}

function foundAt(list: Value | undefined, pattern: Value | undefined): Value {
  const at = listOf(list).findIndex((value) => new RegExp(String(pattern)).test(value));
  return at < 0 ? null : at;
}

function sliced(list: Value | undefined, from: Value | undefined, to: Value | undefined): Value {
  const some = listOf(list).slice(Number(from), Number(to ?? from) + 1);
  return some.length > 0 ? some : null;
}
