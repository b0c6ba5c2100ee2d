import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import file from '../../sinks/file/index.ts';
import { type Held, type Receiver, sinkContract } from './contract.ts';

async function start(): Promise<Receiver> {
  const root = mkdtempSync(join(tmpdir(), 'file-contract-'));
  const folder = join(root, 'archive');
  const path = join(folder, 'events.ndjson');
  mkdirSync(folder);
  const kept: Held[] = [];
  const written = () => (existsSync(path) ? heldIn(readFileSync(path, 'utf8')) : []);
  return {
    options: { path },
    held: () => [...kept, ...written()],
    close: async () => rmSync(root, { recursive: true }),
    // With its folder gone the file can be neither written nor made anew.
    down: (on) => {
      if (on) kept.push(...written());
      if (on) rmSync(folder, { recursive: true });
      else mkdirSync(folder);
    },
  };
}

/** A line that is no JSON, or is not ended, fails the check that asks. */
function heldIn(text: string): Held[] {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('the last line is not ended');
  return lines.map((line) => {
    const content = JSON.parse(line) as { event: { id: string } };
    return { id: content.event.id, content };
  });
}

sinkContract('file', {
  definition: file,
  start,
  refused: [{ path: undefined }, { path: '' }, { path: 7 }],
  lacks: {
    unwelcome: 'a file has no credentials; what this user may not write is an outage',
    loseAnswer: 'the answer is a return value of the system: it does not get lost',
    slow: 'a local disk cannot be made to wait from here',
    refuse: 'a file takes every event',
    putOff: 'a file takes every event',
  },
});
