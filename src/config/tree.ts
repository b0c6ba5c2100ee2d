import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  type Scalar,
  visit,
  type YAMLMap,
} from 'yaml';
import { interpolate, type Outside } from './interpolate.ts';
import { ConfigMistakes, type Mistake, type Path, pathText, startsWith } from './mistakes.ts';
import { parseYaml } from './yaml.ts';

/** `a: &x [*x, *x …]` can mean billions of values in a few lines. */
const MOST_VALUES = 50_000;

interface Place {
  readonly key: number | undefined;
  readonly value: number;
  readonly node: unknown;
}

/** One YAML text as plain values, with `${…}` put in, and the place of each. Mistakes are gathered, not thrown. */
export class ConfigTree {
  readonly value: unknown;
  readonly #file: string;
  readonly #outside: Outside;
  readonly #lines: LineCounter;
  readonly #anchors = new Map<Alias, Node>();
  readonly #places = new Map<string, Place>();
  #broken: readonly Path[] = [];
  #fromOutside: readonly { readonly path: Path; readonly text: string }[] = [];
  readonly #mistakes: Mistake[] = [];
  readonly #spoilt: readonly number[];
  #visited = 0;
  readonly #doubtfulFrom: number;

  /** @param file as the user named it */
  constructor(file: string, text: string, outside: Outside) {
    this.#file = file;
    this.#outside = outside;
    const { contents, lines, mistakes, doubtfulFrom } = parseYaml(text);
    this.#lines = lines;
    this.#spoilt = mistakes.filter((mistake) => mistake.local).map((mistake) => mistake.offset);
    this.#doubtfulFrom = doubtfulFrom;
    for (const { offset, message } of mistakes) this.#tellAt(offset, [], message);
    this.#linkAliases(contents);
    this.value = this.#read(contents, [], []);
  }

  get mistakes(): readonly Mistake[] {
    return this.#mistakes;
  }

  /** At the value, at its key, or at what it is missing from. Silent about what could not be read in the first place. */
  tell(path: Path, message: string, at: 'value' | 'key' | 'missing' = 'value'): void {
    if (this.#broken.some((broken) => startsWith(path, broken))) return;
    const offset = this.#offset(path, at);
    if (offset >= this.#doubtfulFrom || (at === 'missing' && this.#doubtfulFrom < Number.POSITIVE_INFINITY)) return;
    this.#tellAt(offset, path, message);
  }

  /** Something at or below could not be read, which has been told already. */
  isBroken(path: Path): boolean {
    return this.#broken.some((broken) => startsWith(broken, path) || startsWith(path, broken));
  }

  /** The texts at or below that hold something from the environment or a file: never to be printed. */
  fromOutside(path: Path): readonly string[] {
    return this.#fromOutside.filter((one) => startsWith(one.path, path)).map((one) => one.text);
  }

  /** Puts `${…}` in anew, so that a renewed secret is taken up. Throws `ConfigMistakes`, also for what `check` tells. */
  again<T>(path: Path, check: (value: unknown) => T): T {
    const place = this.#places.get(keyOf(path));
    const known = this.#mistakes.length;
    this.#visited = 0;
    this.#broken = this.#broken.filter((broken) => !startsWith(broken, path));
    this.#fromOutside = this.#fromOutside.filter((one) => !startsWith(one.path, path));
    const result = check(place ? this.#read(place.node, path, [], place.key) : undefined);
    const mistakes = this.#mistakes.splice(known);
    if (mistakes.length > 0) throw new ConfigMistakes(mistakes);
    return result;
  }

  #tellAt(offset: number, path: Path, message: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.#mistakes.push({
      file: this.#file,
      line: Math.max(1, line),
      column: Math.max(1, col),
      path: pathText(path),
      message,
    });
  }

  #offset(path: Path, at: 'value' | 'key' | 'missing'): number {
    const place = this.#places.get(keyOf(path));
    if (place && at === 'value') return place.value;
    if (place || path.length === 0) return place?.key ?? place?.value ?? 0;
    return this.#offset(path.slice(0, -1), 'key');
  }

  #linkAliases(contents: Node | null): void {
    const anchors = new Map<string, Node>();
    visit(contents, {
      Node: (_key, node) => {
        if (isAlias(node)) {
          const target = anchors.get(node.source);
          if (target) this.#anchors.set(node, target);
        } else if (node.anchor) anchors.set(node.anchor, node);
      },
    });
  }

  #read(node: unknown, path: Path, above: readonly unknown[], key?: number): unknown {
    const range = (node as Partial<Node> | null | undefined)?.range;
    this.#places.set(keyOf(path), { key, value: range?.[0] ?? key ?? 0, node });
    if (++this.#visited > MOST_VALUES) return this.#readTooMuch();
    if (isAlias(node)) return this.#readAlias(node, path, above, key);
    if (isMap(node)) return this.#readMap(node, path, [...above, node]);
    if (isSeq(node)) return node.items.map((item, index) => this.#read(item, [...path, index], [...above, node]));
    if (!isScalar(node)) return null;
    if (!this.#isSpoilt(node)) return this.#readScalar(node.value, path);
    this.#broken = [...this.#broken, path];
    return undefined;
  }

  /** Not what it was meant to be, which has been told as a mistake in the YAML. */
  #isSpoilt({ range, tag }: Scalar): boolean {
    const [start = 0, end = 0] = range ?? [];
    return (
      this.#spoilt.some((offset) => offset >= start && offset <= end) ||
      (this.#spoilt.length > 0 && tag?.startsWith('!') === true)
    );
  }

  #readScalar(value: unknown, path: Path): unknown {
    if (typeof value !== 'string') return value;
    const result = interpolate(value, this.#outside);
    if ('mistake' in result) return this.#unreadable(path, result.mistake);
    if (result.fromOutside) this.#fromOutside = [...this.#fromOutside, { path, text: result.text }];
    return result.text;
  }

  #readAlias(alias: Alias, path: Path, above: readonly unknown[], key?: number): unknown {
    const target = this.#anchors.get(alias);
    if (!target)
      return this.#unreadable(
        path,
        'no anchor of this name stands above; a text that begins with * is written in quotes',
      );
    if (above.includes(target))
      return this.#unreadable(path, 'this alias stands for something that holds the alias itself');
    return this.#read(target, path, above, key);
  }

  #readMap(map: YAMLMap, path: Path, above: readonly unknown[]): Record<string, unknown> {
    const pairs = map.items.map((pair) => ({ name: nameOf(pair.key), start: startOf(pair.key), value: pair.value }));
    const place = this.#places.get(keyOf(path));
    const result: Record<string, unknown> = {};
    for (const merged of pairs.filter(({ name }) => name === MERGE)) this.#merge(result, merged.value, path, above);
    if (place) this.#places.set(keyOf(path), place);
    const seen = new Set<string>();
    for (const { name, start, value } of pairs.filter((pair) => pair.name !== MERGE)) {
      if (seen.has(name)) this.#tellAt(start, [...path, name], 'this key is here twice, only one may stay');
      else define(result, name, this.#read(value, [...path, name], above, start));
      seen.add(name);
    }
    return result;
  }

  /** `<<: *NAME`: the keys of another map, for those that this one does not have. */
  #merge(into: Record<string, unknown>, node: unknown, path: Path, above: readonly unknown[]): void {
    const value = this.#read(node, path, above);
    for (const map of Array.isArray(value) ? value.reverse() : [value]) {
      if (!isPlainMap(map)) this.#tellAt(startOf(node), [...path, MERGE], 'expected *NAME of a map');
      else for (const [name, inner] of Object.entries(map)) define(into, name, inner);
    }
  }

  #unreadable(path: Path, message: string): undefined {
    this.tell(path, message);
    this.#broken = [...this.#broken, path];
  }

  #readTooMuch(): undefined {
    if (this.#broken.some((broken) => broken.length === 0)) return;
    this.#unreadable([], `more than ${MOST_VALUES} values, through aliases (*NAME) that repeat them`);
  }
}

const MERGE = '<<';

function keyOf(path: Path): string {
  return JSON.stringify(path);
}

function nameOf(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}

function startOf(node: unknown): number {
  return (node as Partial<Node> | null | undefined)?.range?.[0] ?? 0;
}

/** Also for the key `__proto__`, which an assignment would swallow. */
function define(map: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(map, name, { value, enumerable: true, writable: true, configurable: true });
}

export function isPlainMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
