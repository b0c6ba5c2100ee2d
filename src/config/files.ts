import { resolve } from 'node:path';
import { type Path, pathText } from './mistakes.ts';
import { type ConfigTree, isPlainMap } from './tree.ts';

/** Two that write into one file would take each other's lines for their own: each needs a file of its own. */
export function checkFiles(tree: ConfigTree): void {
  const taken = new Map<string, Path>();
  for (const { at, file } of filesIn(tree.value)) {
    const other = taken.get(file);
    if (other) tree.tell([...at, 'path'], `is the file that ${pathText(other)} writes: each needs one of its own`);
    else taken.set(file, at);
  }
}

/** Of sinks and of the log's outputs, as far as they can be read. */
function filesIn(config: unknown): { readonly at: Path; readonly file: string }[] {
  const { sinks, log } = isPlainMap(config) ? config : {};
  const outputs = isPlainMap(log) && Array.isArray(log['outputs']) ? log['outputs'] : [];
  const ends: (readonly [Path, unknown])[] = [
    ...Object.entries(isPlainMap(sinks) ? sinks : {}).map(([name, sink]) => [['sinks', name], sink] as const),
    ...outputs.map((output, index) => [['log', 'outputs', index], output] as const),
  ];
  return ends.flatMap(([at, end]) => {
    const { type, path } = isPlainMap(end) ? end : {};
    return type === 'file' && typeof path === 'string' && path !== '' ? [{ at, file: resolve(path) }] : [];
  });
}
