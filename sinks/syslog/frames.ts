import type { Outcome, SecurityEvent } from '../../src/sink.ts';
import type { Settings } from './options.ts';
import { encodeRfc5424 } from './rfc5424.ts';

export const DEFAULT_MAX_SIZE = 8192;
/** Handed to the socket at once: large enough to be cheap, small enough to keep a waiting delivery small. */
const CHUNK_CHARACTERS = 64 * 1024;

/**
 * The frames of a batch in chunks of whole frames, encoded when they are asked for. Fills `outcomes`, one per event in the
 * same order: what a refused event's reason is, or that it is delivered once the chunks are confirmed.
 */
export function* frames(
  batch: readonly SecurityEvent[],
  settings: Settings,
  outcomes: Outcome[],
): Generator<Buffer, void, void> {
  const maxSize = settings.maxSize ?? DEFAULT_MAX_SIZE;
  let chunk = '';
  for (const event of batch) {
    const encoded = encodeRfc5424(event, settings, maxSize);
    outcomes.push('tooLarge' in encoded ? tooLarge(encoded.tooLarge, maxSize) : { status: 'delivered' });
    if ('tooLarge' in encoded) continue;
    chunk += settings.framing === 'lf' ? `${encoded.text}\n` : `${encoded.bytes} ${encoded.text}`;
    if (chunk.length < CHUNK_CHARACTERS) continue;
    yield Buffer.from(chunk);
    chunk = '';
  }
  if (chunk !== '') yield Buffer.from(chunk);
}

export function tooLarge(bytes: number, maxSize: number): Outcome {
  return {
    status: 'rejected',
    reason: `too_large: ${bytes} bytes after leaving out what may be left out, and max_size is ${maxSize}`,
  };
}
