import { hash } from 'node:crypto';
import { activityReader, type Inputs, isObject } from './normalize/activity.ts';
import { removeField, resolveDrop } from './normalize/drop.ts';
import { type DocumentBuilder, documentBuilder, type Mapped } from './normalize/ecs.ts';
import { listOf, type Slice, scanElements, splitElements, textOf } from './normalize/elements.ts';
import type { EventOptions } from './normalize/event-options.ts';
import { hasUnsafeNumber, parseExactly, wellFormed } from './normalize/exact.ts';
import { canonicalJson, Identities, MAX_DEPTH, TooDeep } from './normalize/identity.ts';
import { STREAM_MAPPINGS, type StreamMapping } from './normalize/mapping.ts';
import { type OriginalWriter, originalWriter } from './normalize/original.ts';
import { inParts } from './normalize/parts.ts';
import type { Cursor, Normalize, Page, RawActivity, SecurityEvent, StreamName, StreamType } from './types.ts';

export { readTime } from './normalize/ecs.ts';
export { DEFAULT_EVENT_OPTIONS, type EventOptions } from './normalize/event-options.ts';

/**
 * A page that is larger, in bytes, is parsed element by element, and such an element not at all: what is parsed takes up to
 * 20 times as much memory, and a million keys take a minute to map.
 */
const LARGE = 2 * 1024 * 1024;

export interface Normalizer extends Normalize {
  /** The events of a page, each mapped when it is taken. */
  events(page: Page): Iterable<SecurityEvent>;
}

/** Maps pages and activities to ECS events. Total: what cannot be mapped becomes an event that says so. */
export function normalizer(options: EventOptions): Normalizer {
  const mappers = new Map(
    Object.entries(STREAM_MAPPINGS).map(([type, mapping]) => [type, streamMapper(mapping, options)] as const),
  );
  const mapperOf = (stream: StreamName): StreamMapper => {
    const type = stream.slice(0, stream.indexOf('/')) as StreamType;
    return mappers.get(type) ?? streamMapper(STREAM_MAPPINGS[type] ?? STREAM_MAPPINGS.verify, options);
  };
  const events = (page: Page) => eventsOf(page, mapperOf(page.stream));
  return {
    events,
    page: async (page) => {
      const mapped: SecurityEvent[] = [];
      for await (const part of inParts(events(page))) mapped.push(...part.events);
      return mapped;
    },
    parts: (page) => inParts(events(page)),
    one: (activity) => eventOf(activity, mapperOf(activity.stream)),
  };
}

interface StreamMapper {
  readonly read: (activity: Readonly<Record<string, unknown>>) => Inputs;
  readonly build: DocumentBuilder;
  readonly original: OriginalWriter | undefined;
  readonly without: readonly string[];
}

function streamMapper(mapping: StreamMapping, options: EventOptions): StreamMapper {
  const drop = resolveDrop(mapping, options.drop);
  return {
    read: activityReader(mapping, drop),
    build: documentBuilder(mapping, options),
    original: options.original ? originalWriter(mapping, drop, options.redactUrls) : undefined,
    without: drop.fields,
  };
}

type Cause = 'not_json' | 'not_a_list' | 'not_an_object' | 'cut_off' | 'too_deep' | 'too_large' | 'mapper_failed';

/** An element before it is an event. `value` is undefined where the bytes are no JSON, which has no such value. */
interface Element {
  readonly stream: StreamName;
  readonly receivedAt: Date;
  readonly created: string;
  readonly position: Cursor;
  readonly raw: () => Uint8Array;
  readonly value: unknown;
  /** Set where the place of the element, and not the element, is what is wrong. */
  readonly cause: Cause | undefined;
  /** Numbers may be in it whose digits a number cannot hold. */
  readonly inexact: boolean;
  readonly identify: (content: string | Uint8Array) => { readonly id: string; readonly ordinal: number };
}

function* eventsOf(page: Page, mapper: StreamMapper): Generator<SecurityEvent> {
  const { stream, receivedAt, body, number } = page;
  const ids = new Identities(stream);
  const created = receivedAt.toISOString();
  const identify = (content: string | Uint8Array) => ids.next(content);
  const event = (index: number, raw: () => Uint8Array, value: unknown, inexact: boolean, cause?: Cause) => {
    const position = { page: number, index };
    return securityEvent({ stream, receivedAt, created, position, raw, value, inexact, identify, cause }, mapper);
  };
  const { value: whole, inexact } = parse(body);
  const list = listOf(whole);
  if (list) {
    const rawOf = rawFinder(body);
    for (const [index, value] of list.entries()) yield event(index, rawOf(index), value, inexact);
    return;
  }
  const scan = scanElements(body);
  let index = 0;
  let step = scan.next();
  for (; !step.done; step = scan.next()) {
    const raw = rawFinder(body, [step.value])(0);
    const parsed = parse(raw());
    yield event(index++, raw, parsed.value, parsed.inexact);
  }
  if (!step.value) return;
  const raw = rawFinder(body, [step.value])(0);
  const isWhole = step.value.start === 0;
  const cause = !isWhole
    ? 'cut_off'
    : whole !== undefined
      ? 'not_a_list'
      : body.length > LARGE
        ? 'too_large'
        : 'not_json';
  yield event(index, raw, isWhole ? whole : parse(raw()).value, false, cause);
}

/**
 * For each element a way to its bytes; they are looked for when the first is asked for. A function of its own, so that an
 * event that is kept keeps the body of its page and not all that was parsed of it.
 */
function rawFinder(body: Uint8Array, known?: readonly Slice[]): (index: number) => () => Uint8Array {
  let slices = known;
  const find = (index: number) => {
    slices ??= splitElements(body).elements;
    const { start, end } = slices[index] ?? { start: 0, end: 0 };
    return body.subarray(start, end);
  };
  return (index) => () => find(index);
}

function eventOf(activity: RawActivity, mapper: StreamMapper): SecurityEvent {
  const { stream, receivedAt, position, ordinal, raw } = activity;
  const ids = new Identities(stream);
  const identify = (content: string | Uint8Array) => ({ id: ids.of(content, ordinal), ordinal });
  const created = receivedAt.toISOString();
  const cause = undefined;
  return securityEvent(
    { stream, receivedAt, created, position, raw: () => raw, ...parse(raw), identify, cause },
    mapper,
  );
}

/** No value where the bytes are no JSON, or too many. */
function parse(raw: Uint8Array): { readonly value: unknown; readonly inexact: boolean } {
  try {
    if (raw.length > LARGE) return { value: undefined, inexact: false };
    const text = textOf(raw);
    return { value: JSON.parse(text), inexact: hasUnsafeNumber(text) };
  } catch {
    return { value: undefined, inexact: false };
  }
}

function securityEvent(element: Element, mapper: StreamMapper): SecurityEvent {
  const { content, cause: unreadable } = contentOf(element);
  const { id, ordinal } = element.identify(content);
  const { code, severity, document } = map(element, content, id, element.cause ?? unreadable, mapper);
  const source = new ElementActivity(element, ordinal);
  return { id, code, severity, source, document, json: JSON.stringify(document) };
}

/** A class, because an object literal with a getter is slow: one is made for every event. */
class ElementActivity implements RawActivity {
  readonly stream: StreamName;
  readonly receivedAt: Date;
  readonly position: Cursor;
  readonly ordinal: number;
  readonly #raw: () => Uint8Array;

  constructor({ stream, receivedAt, position, raw }: Element, ordinal: number) {
    this.stream = stream;
    this.receivedAt = receivedAt;
    this.position = position;
    this.ordinal = ordinal;
    this.#raw = raw;
  }

  get raw(): Uint8Array {
    return this.#raw();
  }
}

/** What the id is made from. */
function contentOf({ value, raw }: Element): { content: string | Uint8Array; cause?: Cause } {
  if (value === undefined) return { content: raw(), cause: raw().length > LARGE ? 'too_large' : 'not_json' };
  try {
    return { content: canonicalJson(value) };
  } catch (error) {
    return { content: raw(), cause: error instanceof TooDeep ? 'too_deep' : 'mapper_failed' };
  }
}

function map(
  element: Element,
  content: string | Uint8Array,
  id: string,
  cause: Cause | undefined,
  mapper: StreamMapper,
): Mapped {
  const { value, raw, receivedAt, created } = element;
  if (cause || !isObject(value)) return pipelineError(element, id, cause ?? 'not_an_object', mapper);
  try {
    const activity = readable(value, String(content), element);
    const original = mapper.original?.activity(activity, () => textOf(raw()));
    return without(mapper.build.event(mapper.read(activity), { id, receivedAt, created, original }), mapper.without);
  } catch {
    return pipelineError(element, id, 'mapper_failed', mapper);
  }
}

/** With every digit of its numbers, and no half of a surrogate pair. */
function readable(value: Readonly<Record<string, unknown>>, canonical: string, { inexact, raw }: Element) {
  const text = inexact ? textOf(raw()) : '';
  const exact = hasUnsafeNumber(text) ? parseExactly(text) : value;
  return (canonical.includes('\\ud') ? wellFormed(exact) : exact) as Readonly<Record<string, unknown>>;
}

function pipelineError(element: Element, id: string, cause: Cause, mapper: StreamMapper): Mapped {
  const { position, receivedAt, created, raw } = element;
  const large = raw().length > LARGE;
  const original = large ? undefined : mapper.original?.unreadable(() => textOf(raw()).toWellFormed());
  const failing = {
    type: cause,
    message: explain(element, cause),
    hash: hash('sha256', raw(), 'hex'),
    spoolRef: `${String(position.page).padStart(10, '0')}/${position.index}`,
  };
  return without(mapper.build.pipelineError(failing, { id, receivedAt, created, original }), mapper.without);
}

function explain({ value, position, cause: placed }: Element, cause: Cause): string {
  const place = `Array element ${position.index}`;
  if (cause === 'too_large') return `${placed ? 'The page holds no list and' : place} is larger than ${LARGE} bytes`;
  if (cause === 'not_json') return placed ? 'The page is not JSON' : `${place} is not JSON`;
  if (cause === 'not_a_list') return 'The page is JSON, but neither an array nor an object that holds one';
  if (cause === 'cut_off') return `${place} is cut off, or is text that follows the array`;
  if (cause === 'too_deep') return `${place} is nested deeper than ${MAX_DEPTH} levels`;
  if (cause === 'mapper_failed') return `${place} could not be mapped`;
  const kind = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;
  return `${place} is ${kind}, expected an object`;
}

function without(mapped: Mapped, fields: readonly string[]): Mapped {
  for (const field of fields) removeField(mapped.document as unknown as Record<string, unknown>, field);
  return mapped;
}
