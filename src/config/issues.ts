import { type ZodType, z } from 'zod';
import type { JsonSchema } from './json-schema.ts';
import { didYouMean, type Path } from './mistakes.ts';
import { type ConfigTree, isPlainMap } from './tree.ts';

/** The value as the schema reads it; else undefined, with every mistake told. `alsoKnown`: keys that others take here. */
export function validate<T>(
  tree: ConfigTree,
  path: Path,
  schema: ZodType<T>,
  value: unknown,
  alsoKnown: readonly string[] = [],
): T | undefined {
  const given = withoutNulls(value);
  const first = schema.safeParse(given);
  if (first.success) return first.data;
  const input = converted(tree, path, given, flatten(first.error.issues));
  const second = schema.safeParse(input);
  if (second.success) return second.data;
  const issues = flatten(second.error.issues);
  for (const issue of [...issues, ...hidden(schema, input, issues)])
    tellIssue(tree, path, issue, input, () => known(schema, issue.path, alsoKnown));
  return undefined;
}

/** `key:` with nothing behind it means that the key is not given. */
function withoutNulls(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map((entry) => (entry === null ? null : withoutNulls(entry)));
  if (!isPlainMap(value)) return value;
  return fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, withoutNulls(inner)]),
  );
}

/** What `${…}` puts in is text: made a number or a boolean where the schema wants one and it reads as one. */
function converted(tree: ConfigTree, base: Path, value: unknown, issues: readonly Issue[], at: Path = []): unknown {
  if (typeof value === 'string' && tree.fromOutside([...base, ...at]).length > 0) {
    const wants = issues
      .filter((issue) => issue.code === 'invalid_type' && samePath(issue.path, at))
      .flatMap((issue) => issue.expected);
    if (wants.some((want) => want === 'number' || want === 'int') && /^-?\d+(\.\d+)?$/.test(value))
      return Number(value);
    return wants.includes('boolean') && /^(true|false)$/.test(value) ? value === 'true' : value;
  }
  if (Array.isArray(value)) return value.map((entry, index) => converted(tree, base, entry, issues, [...at, index]));
  if (!isPlainMap(value)) return value;
  return fromEntries(
    Object.entries(value).map(([key, inner]) => [key, converted(tree, base, inner, issues, [...at, key])]),
  );
}

function samePath(one: readonly PropertyKey[], other: readonly PropertyKey[]): boolean {
  return one.length === other.length && one.every((step, index) => step === other[index]);
}

/** As Object.fromEntries, which keeps `__proto__` a plain key. */
function fromEntries(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries);
}

/** Rules over several keys are not looked at while a key is wrong: without the wrong ones they speak up. */
function hidden(schema: ZodType, input: unknown, issues: readonly Issue[]): Issue[] {
  if (!isPlainMap(input)) return [];
  const wrong = new Set(issues.flatMap((issue): readonly unknown[] => issue.path.slice(0, 1).concat(issue.keys ?? [])));
  const rest = fromEntries(Object.entries(input).filter(([key]) => !wrong.has(key)));
  const result = schema.safeParse(rest);
  return (result.error?.issues ?? []).filter((issue) => issue.code === 'custom' && !wrong.has(issue.path[0]));
}

function tellIssue(tree: ConfigTree, base: Path, issue: Issue, input: unknown, known: () => readonly string[]): void {
  const path = [...base, ...(issue.path as Path)];
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys ?? []) tree.tell([...path, key], unknownKey(key, known()), 'key');
    return;
  }
  if (issue.code === 'custom' && isOfBroken(tree, base, issue)) return;
  const value = valueAt(input, issue.path as Path);
  const outside = tree.fromOutside(path);
  const safe = outside.reduce((text, one) => (one ? text.replaceAll(one, '***') : text), issue.message);
  const message = explain({ ...issue, message: safe }, value, outside.length === 0);
  tree.tell(path, message, issue.code === 'invalid_key' ? 'key' : value === undefined ? 'missing' : 'value');
}

/** Of a rule over several keys, one of which could not be read: at its place, or a neighbour that it names. */
function isOfBroken(tree: ConfigTree, base: Path, { path, message }: Issue): boolean {
  const words = path.length === 0 ? [] : (message.match(/\w+/g) ?? []);
  const places = words.map((word) => [...path.slice(0, -1), word]);
  return [path, ...places].some((place) => tree.isBroken([...base, ...(place as Path)]));
}

export function unknownKey(key: string, known: readonly string[]): string {
  const hint = didYouMean(key, known);
  return `unknown key, allowed here: ${[...known].sort().join(', ') || 'none'}${hint}`;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, step) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, step) : undefined),
    value,
  );
}

function known(schema: ZodType, path: readonly PropertyKey[], alsoKnown: readonly string[]): readonly string[] {
  const keys = keysAt(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema, path);
  return [...new Set([...keys, ...(path.length === 0 ? alsoKnown : [])])];
}

function keysAt(schema: JsonSchema, path: readonly PropertyKey[]): readonly string[] {
  const branches = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((branch) => keysAt(branch, path));
  const [step, ...rest] = path;
  if (step === undefined) return [...Object.keys(schema.properties ?? {}), ...branches];
  const further = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
  const inner = typeof step === 'number' ? schema.items : (schema.properties?.[String(step)] ?? further);
  return [...(inner ? keysAt(inner, rest) : []), ...branches];
}

/** What zod says about a value, as far as this program reads it. It carries paths and no values. */
interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly expected?: unknown;
  readonly keys?: readonly string[];
  readonly values?: readonly unknown[];
  readonly options?: readonly unknown[];
  readonly errors?: readonly (readonly Issue[])[];
  /** Of a key. */
  readonly issues?: readonly Issue[];
  readonly minimum?: unknown;
  readonly maximum?: unknown;
  readonly origin?: unknown;
}

/** Issues of a union, as those of the alternative that came nearest: with its fault deepest, then with the fewest. */
function flatten(issues: readonly Issue[]): Issue[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'invalid_key' && issue.issues?.[0]) return [{ ...issue, message: issue.issues[0].message }];
    if (issue.code !== 'invalid_union' || !issue.errors?.length) return [issue];
    const alternatives = issue.errors.map((errors) => flatten(errors));
    const wanted = alternatives.map((errors) => (errors.length === 1 ? errors[0] : undefined));
    if (wanted.every((one) => one?.code === 'invalid_type' && one.path.length === 0))
      return [{ ...issue, code: 'invalid_type', expected: wanted.map((one) => one?.expected) }];
    const best = alternatives.sort((one, other) => depth(other) - depth(one) || one.length - other.length)[0] ?? [];
    return best.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
  });
}

function depth(issues: readonly Issue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0)));
}

const EMPTY: ReadonlySet<string> = new Set(['invalid_format', 'too_small']);
const NOUNS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
};

/**
 * One issue in a sentence. `value` is what stands there; it is quoted only where it must be one of a few words, and
 * only when `quotable`: never when it came from the environment or a file.
 */
function explain(issue: Issue, value: unknown, quotable: boolean): string {
  const choices = [...(issue.values ?? []), ...(issue.options ?? [])].filter((one) => one !== undefined).map(String);
  const own = ownMessage(issue);
  if (value === undefined && (issue.code === 'invalid_type' || choices.length > 0))
    return `is missing, ${own.replace(/^expected /, '') || (choices.length > 0 ? oneOf(choices) : wanted(issue.expected))} is required`;
  if (value === '' && EMPTY.has(issue.code ?? '')) return 'is empty';
  if (own) return typeof value === 'object' || issue.code !== 'invalid_type' ? own : `${own}, found ${found(value)}`;
  if (choices.length > 0) return choice(value, choices, quotable);
  if (issue.code === 'invalid_type') return wrongType(issue, value);
  if (issue.code === 'too_small')
    return issue.minimum === 1 && issue.origin !== 'number' ? 'is empty' : bound('least', issue.minimum, issue.origin);
  if (issue.code === 'too_big') return bound('most', issue.maximum, issue.origin);
  return issue.message;
}

function wrongType(issue: Issue, value: unknown): string {
  if (issue.expected === 'int' && typeof value === 'number') return 'must be a whole number';
  const quotes = issue.expected === 'string' && typeof value !== 'object' ? ', write it in quotes' : '';
  return `expected ${wanted(issue.expected)}, found ${found(value)}${quotes}`;
}

/** A message that the schema's author wrote. */
function ownMessage(issue: Issue): string {
  return /^(Invalid|Too (small|big)|Unrecognized)/.test(issue.message) ? '' : issue.message;
}

function wanted(expected: unknown): string {
  const all = Array.isArray(expected) ? expected : [expected];
  return [...new Set(all.map((one) => NOUNS[String(one)] ?? String(one)))].join(' or ');
}

function choice(value: unknown, choices: readonly string[], quotable: boolean): string {
  const word = typeof value === 'object' ? found(value) : JSON.stringify(String(value));
  const hint = typeof value === 'string' && quotable ? didYouMean(value, choices) : '';
  return `${quotable || typeof value === 'object' ? word : 'what was put in'} is not ${oneOf(choices)}${hint}`;
}

function oneOf(choices: readonly string[]): string {
  return choices.length === 1 ? String(choices[0]) : `one of ${choices.join(', ')}`;
}

function bound(which: 'least' | 'most', limit: unknown, origin: unknown): string {
  const unit = { string: ' characters', array: ' entries' }[String(origin)] ?? '';
  return `must be at ${which} ${String(limit)}${unit}`;
}

function found(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'text';
  return { number: 'a number', boolean: 'true or false', object: 'a map' }[typeof value as string] ?? typeof value;
}
