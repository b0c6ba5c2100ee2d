import type { EcsDocument } from '../../src/sink.ts';

/**
 * The document with less and less in it, in the documented order: without event.original, then the flattened parameters,
 * then user_agent.original. What a document does not hold is no step. Each carries the tag `<type>_truncated`.
 */
export function* shrinkingSteps(document: EcsDocument): Generator<EcsDocument> {
  let smaller = document;
  for (const leaveOut of [withoutOriginal, withoutParameters, withoutUserAgent]) {
    const next = leaveOut(smaller);
    if (next === smaller) continue;
    smaller = next;
    yield tagged(smaller);
  }
}

/**
 * After all steps: the JSON of the document with its message cut, between two characters, to what `room` bytes allow.
 * Where even an empty message leaves too much, the JSON is larger than `room`.
 */
export function withShorterMessage(
  document: EcsDocument,
  room: number,
  encode: (document: EcsDocument) => string,
): string {
  const smallest = tagged(withoutUserAgent(withoutParameters(withoutOriginal(document))));
  const characters = [...document.message];
  const attempt = (length: number) => encode({ ...smallest, message: `${characters.slice(0, length).join('')}…` });
  let fits = 0;
  let tooLong = characters.length;
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1;
    if (Buffer.byteLength(attempt(middle)) <= room) fits = middle;
    else tooLong = middle;
  }
  return attempt(fits);
}

function withoutOriginal(document: EcsDocument): EcsDocument {
  if (!('original' in document.event)) return document;
  const { original: _, ...event } = document.event;
  return { ...document, event: event as EcsDocument['event'] };
}

function withoutParameters(document: EcsDocument): EcsDocument {
  const vendor = Object.entries(document.transmit_security);
  if (!vendor.some(([, fields]) => 'params' in fields)) return document;
  const kept = vendor.map(([type, { params: _, ...fields }]) => [type, fields] as const);
  return { ...document, transmit_security: Object.fromEntries(kept) };
}

function withoutUserAgent(document: EcsDocument): EcsDocument {
  const agent = document['user_agent'];
  if (typeof agent !== 'object' || agent === null || !('original' in agent)) return document;
  const { original: _, ...rest } = agent;
  const { user_agent: __, ...others } = document;
  return (Object.keys(rest).length > 0 ? { ...document, user_agent: rest } : others) as EcsDocument;
}

function tagged(document: EcsDocument): EcsDocument {
  const type = Object.keys(document.transmit_security)[0] ?? 'idv';
  const tags = Array.isArray(document['tags']) ? document['tags'] : [];
  return { ...document, tags: [...tags, `${type}_truncated`] };
}
