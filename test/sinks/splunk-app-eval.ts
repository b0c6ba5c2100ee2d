/**
 * A reader of the expressions of `eval` and `where`, as far as our searches use them. It is no Splunk: it knows the operators, the
 * functions of splunk-app-functions.ts with what they take, and that a condition is no value.
 */
import assert from 'node:assert/strict';
import { compare, FUNCTIONS, type Row, type Value } from './splunk-app-functions.ts';

type Kind = 'value' | 'condition';

interface Token {
  readonly kind: 'number' | 'text' | 'field' | 'word' | 'sign';
  readonly text: string;
}

const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d+)?)|"(?<text>(?:[^"\\]|\\.)*)"|'(?<field>[^']+)'|(?<word>[A-Za-z_]\w*)|(?<sign>==|!=|>=|<=|[-+*/%<>=(),]))/y;

function tokens(source: string): readonly Token[] {
  const found: Token[] = [];
  const pattern = new RegExp(TOKEN);
  while (source.slice(pattern.lastIndex).trim() !== '') {
    const at = pattern.lastIndex;
    const { groups } = pattern.exec(source) ?? {};
    assert.ok(groups, `not a word of eval: ${source.slice(at, at + 40)}`);
    const [kind, text] = Object.entries(groups).find(([, value]) => value !== undefined) ?? [];
    found.push({ kind: kind as Token['kind'], text: text ?? '' });
  }
  return found;
}

export interface Expression {
  readonly kind: Kind;
  readonly fields: readonly string[];
  /** What it gives for a row. Null is unknown: neither true nor false. */
  readonly of: (row: Row) => Value;
}

/** Throws where it is wrong. */
export function readExpression(source: string): Expression {
  return whole(tokens(source));
}

function whole(all: readonly Token[]): Expression {
  const reader = new Reader(all);
  const { kind, of } = reader.either();
  reader.end();
  return { kind, of, fields: reader.fields };
}

/** `a=…, b=…`, in the order in which they are set. */
export function readAssignments(source: string): readonly { readonly name: string; readonly value: Expression }[] {
  return splitAtCommas(tokens(source)).map(([name, equals, ...rest]) => {
    assert.ok(name?.kind === 'word' && equals?.text === '=', `an assignment is NAME=…: ${source}`);
    const value = whole(rest);
    assert.equal(value.kind, 'value', `${name.text} cannot be a condition: ${source}`);
    return { name: name.text, value };
  });
}

function splitAtCommas(all: readonly Token[]): readonly (readonly Token[])[] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of all) {
    const sign = token.kind === 'sign' ? token.text : '';
    if (sign === '(') depth += 1;
    if (sign === ')') depth -= 1;
    if (sign === ',' && depth === 0) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

interface Node {
  readonly kind: Kind;
  readonly of: (row: Row) => Value;
}

class Reader {
  readonly fields: string[] = [];
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(all: readonly Token[]) {
    this.#tokens = all;
  }

  either(): Node {
    return this.#joined('OR', true, () => this.#joined('AND', false, () => this.#negated()));
  }

  end(): void {
    assert.equal(this.#at, this.#tokens.length, `too much: ${this.#tokens[this.#at]?.text}`);
  }

  /** @param decides the value that decides the whole, whatever the others are */
  #joined(word: string, decides: boolean, part: () => Node): Node {
    const parts = [part()];
    while (this.#takes('word', word)) parts.push(part());
    const [first = assert.fail()] = parts;
    if (parts.length === 1) return first;
    assert.ok(
      parts.every(({ kind }) => kind === 'condition'),
      `${word} joins conditions`,
    );
    return {
      kind: 'condition',
      of: (row) => {
        const values = parts.map(({ of }) => of(row));
        if (values.includes(decides)) return decides;
        return values.includes(null) ? null : !decides;
      },
    };
  }

  #negated(): Node {
    if (!this.#takes('word', 'NOT')) return this.#compared();
    const { kind, of } = this.#negated();
    assert.equal(kind, 'condition', 'NOT is for a condition');
    return { kind, of: (row) => (of(row) === null ? null : of(row) !== true) };
  }

  #compared(): Node {
    const first = this.#sum();
    const sign = ['==', '!=', '>=', '<=', '<', '>'].find((each) => this.#takes('sign', each));
    if (!sign) return first;
    const second = this.#sum();
    assert.deepEqual([first.kind, second.kind], ['value', 'value'], 'values are compared');
    return { kind: 'condition', of: (row) => compare(sign, first.of(row), second.of(row)) };
  }

  #sum(): Node {
    return this.#counted(['+', '-'], () => this.#counted(['*', '/', '%'], () => this.#single()));
  }

  #counted(signs: readonly string[], part: () => Node): Node {
    let left = part();
    for (;;) {
      const sign = signs.find((each) => this.#takes('sign', each));
      if (!sign) return left;
      const [first, second] = [left, part()];
      assert.deepEqual([first.kind, second.kind], ['value', 'value'], 'values are added and multiplied');
      left = { kind: 'value', of: (row) => calculated(sign, first.of(row), second.of(row)) };
    }
  }

  #single(): Node {
    const token = this.#tokens[this.#at];
    this.#at += 1;
    assert.ok(token, 'it ends too soon');
    const { kind, text } = token;
    if (kind === 'number') return { kind: 'value', of: () => Number(text) };
    if (kind === 'text') return { kind: 'value', of: () => text };
    if (kind === 'sign') {
      assert.equal(text, '(', `not here: ${text}`);
      const inner = this.either();
      assert.ok(this.#takes('sign', ')'), 'a bracket is open');
      return inner;
    }
    if (kind === 'word' && this.#takes('sign', '(')) return this.#call(text);
    assert.ok(kind === 'field' || !['AND', 'OR', 'NOT'].includes(text), `not here: ${text}`);
    this.fields.push(text);
    return { kind: 'value', of: (row) => row.get(text) ?? null };
  }

  #call(name: string): Node {
    const known = FUNCTIONS[name] ?? assert.fail(`no function ${name}`);
    const given: Node[] = [];
    if (!this.#takes('sign', ')')) {
      do given.push(this.either());
      while (this.#takes('sign', ','));
      assert.ok(this.#takes('sign', ')'), `the bracket of ${name} is open`);
    }
    const kinds = given.map(({ kind }) => (kind === 'condition' ? 'c' : 'v')).join('');
    assert.match(kinds, new RegExp(`^${known.takes}$`), `${name} takes ${known.takes}`);
    return { kind: known.gives, of: (row) => known.call(given.map(({ of }) => of(row))) };
  }

  #takes(kind: Token['kind'], text: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== kind || token.text !== text) return false;
    this.#at += 1;
    return true;
  }
}

function calculated(sign: string, first: Value, second: Value): Value {
  if (first === null || second === null) return null;
  const [one, other] = [Number(first), Number(second)];
  if (sign === '+') return one + other;
  if (sign === '-') return one - other;
  if (sign === '*') return one * other;
  return sign === '/' ? one / other : one % other;
}
