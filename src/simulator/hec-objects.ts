/** One object of a HEC request, as Splunk would index it. */
export interface StoredEvent {
  readonly time?: number;
  readonly host?: string;
  readonly source?: string;
  readonly sourcetype?: string;
  readonly index?: string;
  readonly event: unknown;
  readonly fields?: Readonly<Record<string, string | readonly string[]>>;
}

interface Refusal {
  readonly code: number;
  readonly number: number;
}

export interface Objects {
  /** What is indexed, also where something behind it is refused. */
  readonly accepted: readonly StoredEvent[];
  readonly refusal?: Refusal;
}

const KEYS = new Set(['time', 'host', 'source', 'sourcetype', 'index', 'event', 'fields']);

/** Reads a request body as Splunk does: objects one after another, each indexed before the next is looked at. */
export function readObjects(
  body: string,
  indexes: readonly string[] | undefined,
  refuse: ((event: unknown) => boolean) | undefined,
): Objects {
  const accepted: StoredEvent[] = [];
  let number = 0;
  let unknownKey = false;
  for (const object of objectsOf(body)) {
    const code = refusalOf(object, indexes, refuse);
    // An index that is not allowed is told by the number of the object behind the bad one.
    if (code !== undefined) return { accepted, refusal: { code, number: code === 7 ? number + 1 : number } };
    const { event, fields } = object as StoredEvent;
    unknownKey ||= Object.keys(object as object).some((key) => !KEYS.has(key));
    if (event !== undefined || fields === undefined) accepted.push(object as StoredEvent);
    number += 1;
  }
  // The trap of an unknown key: 200, and all but the first object is gone.
  return { accepted: unknownKey ? accepted.slice(0, 1) : accepted };
}

function refusalOf(
  object: unknown,
  indexes: readonly string[] | undefined,
  refuse: ((event: unknown) => boolean) | undefined,
): number | undefined {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return 6;
  const { event, fields, index, time } = object as Record<string, unknown>;
  if (time !== undefined && !Number.isFinite(Number(time))) return 6;
  if (event === undefined) return fields === undefined ? 12 : undefined;
  if (event === '' || event === null) return 13;
  if (fields !== undefined && !areFlat(fields)) return 15;
  if (indexes && index !== undefined && !indexes.includes(String(index))) return 7;
  return refuse?.(event) ? 6 : undefined;
}

function areFlat(fields: unknown): boolean {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return false;
  return Object.values(fields).every(
    (value) => typeof value === 'string' || (Array.isArray(value) && value.every((one) => typeof one === 'string')),
  );
}

/** undefined stands for what is no object; nothing comes behind it. One object a line is the quick way. */
function* objectsOf(body: string): Generator<unknown> {
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf('\n', at);
    const line = body.slice(at, end < 0 ? undefined : end);
    const quick = parse(line);
    const parsed = quick === undefined ? scan(body, at) : { object: quick, next: end < 0 ? body.length : end + 1 };
    if (!parsed) return;
    yield parsed.object;
    if (parsed.object === undefined) return;
    at = parsed.next;
  }
}

/** The object that begins at the next brace; undefined at the end of the body. */
function scan(body: string, from: number): { object: unknown; next: number } | undefined {
  let start = from;
  while (start < body.length && ' \t\r\n'.includes(body[start] as string)) start += 1;
  if (start === body.length) return undefined;
  let depth = 0;
  let quoted = false;
  for (let at = start; at < body.length; at += 1) {
    const character = body[at];
    if (quoted) {
      if (character === '\\') at += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{') depth += 1;
    else if (character === '}') depth -= 1;
    if (depth === 0) return { object: at === start ? undefined : parse(body.slice(start, at + 1)), next: at + 1 };
  }
  return { object: undefined, next: body.length };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
