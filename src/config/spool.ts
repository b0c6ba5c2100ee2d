import { resolve } from 'node:path';
import type { z } from 'zod';
import type { spool } from './schema.ts';

export interface SpoolConfig {
  readonly path: string;
  readonly maxSize: number;
  readonly retentionMs: number;
  readonly encryptionKey?: Uint8Array;
  readonly oldKeys?: readonly Uint8Array[];
}

/** As the program uses it. */
export function spoolConfig(section: z.output<typeof spool>): SpoolConfig {
  const { path, max_size: maxSize, retention: retentionMs, encryption_key: encryptionKey, old_keys: oldKeys } = section;
  return {
    path: resolve(path),
    maxSize,
    retentionMs,
    ...(encryptionKey && { encryptionKey }),
    ...(oldKeys && { oldKeys }),
  };
}
