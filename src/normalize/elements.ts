/**
 * Where the activities of a page lie, byte for byte. `countActivities` (collect) and `normalizer.page` agree on every
 * body there is, so the books add up also where a body is no JSON.
 */

/** Offsets in bytes: from `start` up to, not including, `end`. */
export interface Slice {
  readonly start: number;
  readonly end: number;
}

export interface Elements {
  readonly elements: readonly Slice[];
  /** What is no whole element: a cut-off end, what follows the array, or a body that holds no list at all. */
  readonly tail?: Slice;
}

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const LIST_KEYS = ['events', 'data', 'items'] as const;

/**
 * The elements of a page: of its array, or of the array that a page of the form `{"events" | "data" | "items": […]}`
 * holds. Any other body is one tail. Never throws.
 */
export function splitElements(body: Uint8Array): Elements {
  const scan = scanElements(body);
  const elements: Slice[] = [];
  for (let step = scan.next(); ; step = scan.next()) {
    if (step.done) return { elements, ...(step.value && { tail: step.value }) };
    elements.push(step.value);
  }
}

export function countActivities(body: Uint8Array): number {
  const scan = scanElements(body);
  let count = 0;
  for (let step = scan.next(); ; step = scan.next()) {
    if (step.done) return count + (step.value ? 1 : 0);
    count++;
  }
}

/** The same one by one, so that a body of millions costs no memory; it returns the tail. */
export function* scanElements(body: Uint8Array): Generator<Slice, Slice | undefined> {
  const start = contentStart(body);
  if (body[start] === OPEN_LIST) return yield* scanList(body, start);
  const list = body[start] === OPEN_OBJECT ? startOfHeldList(body, start) : undefined;
  if (list === undefined) return { start: 0, end: body.length };
  yield* scanList(body, list);
  return undefined;
}

/** Nothing, `[]`, `{}` or `null`, white space aside: told from the bytes, without parsing. */
export function isEmptyAnswer(body: Uint8Array): boolean {
  const { start, end } = trim(body, contentStart(body), body.length);
  if (start === end) return true;
  if (end - start === 4 && Buffer.from(body.buffer, body.byteOffset + start, 4).toString('latin1') === 'null')
    return true;
  const closing = body[start] === OPEN_LIST ? CLOSE_LIST : body[start] === OPEN_OBJECT ? CLOSE_OBJECT : undefined;
  if (closing === undefined || body[end - 1] !== closing || end - start < 2) return false;
  const inside = trim(body, start + 1, end - 1);
  return inside.start === inside.end;
}

/** The text of some bytes, without a byte order mark; what is no UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** The list that a parsed page is or holds. */
export function listOf(page: unknown): readonly unknown[] | undefined {
  const key = heldListKey(page);
  return Array.isArray(page) ? page : key && ((page as Record<string, unknown>)[key] as unknown[]);
}

function heldListKey(page: unknown): (typeof LIST_KEYS)[number] | undefined {
  if (typeof page !== 'object' || page === null) return undefined;
  return LIST_KEYS.find((key) => Array.isArray((page as Record<string, unknown>)[key]));
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function contentStart(body: Uint8Array): number {
  let at = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0;
  while (isSpace(body[at])) at++;
  return at;
}

function trim(body: Uint8Array, from: number, to: number): Slice {
  let start = from;
  let end = to;
  while (start < end && isSpace(body[start])) start++;
  while (end > start && isSpace(body[end - 1])) end--;
  return { start, end };
}

/** Behind the closing quote of the string that opens at `at`; the body's length where it never closes. */
function endOfString(body: Uint8Array, at: number): number {
  let next = at + 1;
  for (; next < body.length; next++) {
    const byte = body[next];
    if (byte === BACKSLASH) next++;
    else if (byte === QUOTE) return next + 1;
  }
  return body.length;
}

/** Only `]` on the list's own level closes it, so that a stray bracket inside one element spoils that element alone. */
function* scanList(body: Uint8Array, open: number): Generator<Slice, Slice | undefined> {
  let [depth, from, found] = [0, open + 1, false];
  for (let at = from; at < body.length; ) {
    const byte = body[at];
    if (byte === QUOTE) {
      at = endOfString(body, at);
      continue;
    }
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++;
    else if (depth > 0) {
      if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--;
    } else if (byte === COMMA || byte === CLOSE_LIST) {
      const slice = trim(body, from, at);
      if (slice.end > slice.start) {
        found = true;
        yield slice;
      }
      if (byte === CLOSE_LIST) return closed(body, open, at, found);
      from = at + 1;
    }
    at++;
  }
  return yield* unclosed(body, from, found);
}

function closed(body: Uint8Array, open: number, close: number, found: boolean): Slice | undefined {
  const rest = trim(body, close + 1, body.length);
  if (rest.end > rest.start) return rest;
  const inside = trim(body, open + 1, close);
  return !found && inside.end > inside.start ? wholeOf(body) : undefined;
}

/** The last slice is whole where it closes itself; a number or a word may have been cut in the middle. */
function* unclosed(body: Uint8Array, from: number, found: boolean): Generator<Slice, Slice | undefined> {
  const last = trim(body, from, body.length);
  if (last.end === last.start) return found ? undefined : wholeOf(body);
  if (!closesItself(body, last)) return last;
  yield last;
  return undefined;
}

function closesItself(body: Uint8Array, slice: Slice): boolean {
  if (body[slice.start] === QUOTE) return endOfString(body, slice.start) === slice.end && body[slice.end - 1] === QUOTE;
  let depth = 0;
  for (let at = slice.start; at < slice.end; ) {
    const byte = body[at];
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--;
    else if (depth === 0) return false;
    at = byte === QUOTE ? endOfString(body, at) : at + 1;
    if (depth === 0 && at === slice.end) return true;
  }
  return false;
}

/** A body that is no JSON and holds no element is told as a whole: nothing that came goes unseen. */
function wholeOf(body: Uint8Array): Slice {
  return { start: 0, end: body.length };
}

/** What is parsed of a larger wrapper could take up all the memory: it is told as a whole. */
const LARGEST_WRAPPER = 16 * 1024 * 1024;

/** Where the list of a wrapper object opens. A repeated key counts as JSON.parse counts it: the last one holds. */
function startOfHeldList(body: Uint8Array, open: number): number | undefined {
  if (body.length > LARGEST_WRAPPER) return undefined;
  let page: unknown;
  try {
    page = JSON.parse(textOf(body));
  } catch {
    return undefined;
  }
  const wanted = heldListKey(page);
  return wanted && lastMember(body, open, wanted);
}

/** The body is known to be JSON here. */
function lastMember(body: Uint8Array, open: number, wanted: string): number | undefined {
  let depth = 0;
  let isKey = true;
  let found: number | undefined;
  for (let at = open + 1; at < body.length; ) {
    const byte = body[at];
    if (byte === QUOTE) {
      const end = endOfString(body, at);
      if (depth === 0 && isKey && JSON.parse(textOf(body.subarray(at, end))) === wanted) found = valueStart(body, end);
      isKey = false;
      at = end;
      continue;
    }
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--;
    else if (byte === COMMA && depth === 0) isKey = true;
    at++;
  }
  return found;
}

function valueStart(body: Uint8Array, afterKey: number): number {
  let at = afterKey;
  while (at < body.length && body[at] !== OPEN_LIST) at++;
  return at;
}
