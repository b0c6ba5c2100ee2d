import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sinks } from '../sinks/index.ts';
import { type Config, ConfigMistakes, loadConfig } from '../src/config.ts';

/** A folder with a config in it, and whatever else the config names. */
export interface Folder {
  readonly path: string;
  file(name: string, content: string | Uint8Array): string;
  load(config: string | Uint8Array, environment?: Record<string, string>): Promise<Config>;
  /** The lines of what is wrong, with the folder cut off. */
  mistakes(config: string | Uint8Array, environment?: Record<string, string>): Promise<string[]>;
  remove(): void;
}

export function newFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'config-'));
  const file = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(path, name), content);
    return join(path, name);
  };
  const load = async (config: string | Uint8Array, environment: Record<string, string> = {}) =>
    loadConfig(file('forwarder.yaml', config), sinks, environment);
  return {
    path,
    file,
    load,
    mistakes: async (config, environment) =>
      linesOf(await failure(load(config, environment))).map((line) => line.replaceAll(`${path}/`, '')),
    remove: () => rmSync(path, { recursive: true }),
  };
}

export async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected a failure');
}

function linesOf(error: Error): string[] {
  if (!(error instanceof ConfigMistakes)) throw error;
  return error.message.split('\n');
}

/** A small good config, and the parts that a test puts in place of its own. */
export function config(parts: { mosaic?: string; sinks?: string; rest?: string } = {}): string {
  const mosaic = parts.mosaic ?? 'region: eu, client_id: c, client_secret: s, streams: [{ type: verify, id: siem }]';
  return `mosaic: { ${mosaic} }\nsinks: { ${parts.sinks ?? 'screen: { type: console }'} }\n${parts.rest ?? ''}`;
}
