import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/** 32 bytes each. Without `encryptionKey` nothing is encrypted; what older keys have sealed is still opened. */
export interface SpoolKeys {
  readonly encryptionKey?: Uint8Array;
  readonly oldKeys?: readonly Uint8Array[];
}
interface Sealed {
  readonly bytes: Uint8Array;
  /** The name of the key; null: the bytes are not encrypted. */
  readonly key: string | null;
}
/** `place` says where a record lies: one that was moved to another place does not open there. */
export interface Sealer {
  seal(bytes: Uint8Array, place: string): Sealed;
  /** Throws `MissingKey` where nobody gave the key, and another error where the bytes were changed or moved. */
  open(sealed: Sealed, place: string): Uint8Array;
  knows(key: string): boolean;
}

/** Nothing is wrong with the bytes: the operator has to give the key. */
export class MissingKey extends Error {}

const ALGORITHM = 'aes-256-gcm';
/** A nonce must never come twice with one key: 12 random bytes are safe for the first 4 billion records. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM. A sealed record is nonce, ciphertext, tag. */
export function createSealer({ encryptionKey, oldKeys = [] }: SpoolKeys): Sealer {
  const keys = new Map([...oldKeys, ...(encryptionKey ? [encryptionKey] : [])].map((key) => [nameOfKey(key), key]));

  function seal(bytes: Uint8Array, place: string): Sealed {
    if (!encryptionKey) return { bytes, key: null };
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, encryptionKey, nonce).setAAD(Buffer.from(place));
    const sealed = [nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()];
    return { bytes: Buffer.concat(sealed), key: nameOfKey(encryptionKey) };
  }

  function open({ bytes, key: name }: Sealed, place: string): Uint8Array {
    if (name === null) return bytes;
    const key = keys.get(name);
    if (key) return unsealed(bytes, key, place);
    // A name can be damaged like all that is stored; whether a key is the right one the record tells by itself.
    for (const each of keys.values()) {
      try {
        return unsealed(bytes, each, place);
      } catch {}
    }
    throw new MissingKey(`${place} of the spool is encrypted with key ${name}: add that key to spool.old_keys`);
  }

  return { seal, open, knows: (key) => keys.has(key) };
}

function unsealed(bytes: Uint8Array, key: Uint8Array, place: string): Uint8Array {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('its bytes are too few for an encrypted record');
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(-TAG_BYTES));
  const start = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    return Buffer.concat([start, decipher.final()]);
  } catch (error) {
    throw new Error('its bytes were changed, or moved here from another place', { cause: error });
  }
}

/** Tells keys apart without telling them. */
export function nameOfKey(key: Uint8Array): string {
  return createHash('sha256').update('mosaic-siem spool key\0').update(key).digest('hex').slice(0, 8);
}
