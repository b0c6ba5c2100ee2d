/**
 * A reader of the expressions of `eval` and `where`, as far as our searches use them. It is no Splunk: it knows the operators, the
 * functions below with what they take, and that a condition is no value. It was written from Splunk's documentation.
 */
import assert from 'node:assert/strict';

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

/** What each function takes: v a value, c a condition, `*` what stands in front of it again and again, `?` or nothing. */
const FUNCTIONS: Readonly<Record<string, readonly [takes: string, gives: Kind]>> = {
  case: ['(cv)+', 'value'],
  cidrmatch: ['vv', 'condition'],
  coalesce: ['v+', 'value'],
  false: ['', 'condition'],
  floor: ['v', 'value'],
  if: ['cvv', 'value'],
  in: ['vv+', 'condition'],
  isnotnull: ['v', 'condition'],
  isnull: ['v', 'condition'],
  match: ['vv', 'condition'],
  mvappend: ['v+', 'value'],
  mvfind: ['vv', 'value'],
  mvindex: ['vvv?', 'value'],
  null: ['', 'value'],
  round: ['vv?', 'value'],
  sqrt: ['v', 'value'],
  strftime: ['vv', 'value'],
};

export interface Expression {
  readonly kind: Kind;
  readonly fields: readonly string[];
}

/** Throws where it is wrong. */
export function readExpression(source: string): Expression {
  const reader = new Reader(tokens(source));
  const kind = reader.either();
  reader.end();
  return { kind, fields: reader.fields };
}

/** `a=…, b=…`, in the order in which they are set. */
export function readAssignments(source: string): readonly { readonly name: string; readonly value: Expression }[] {
  const all = tokens(source);
  const assignments: { name: string; value: Expression }[] = [];
  let [start, depth] = [0, 0];
  all.forEach(({ kind, text }, index) => {
    if (kind === 'sign' && text === '(') depth += 1;
    if (kind === 'sign' && text === ')') depth -= 1;
    const last = index === all.length - 1;
    if (!last && !(kind === 'sign' && text === ',' && depth === 0)) return;
    const [name, equals, ...rest] = all.slice(start, last ? index + 1 : index);
    assert.ok(name?.kind === 'word' && equals?.text === '=', `an assignment is NAME=…: ${source}`);
    const reader = new Reader(rest);
    const kindOf = reader.either();
    reader.end();
    assert.equal(kindOf, 'value', `${name.text} cannot be a condition: ${source}`);
    assignments.push({ name: name.text, value: { kind: kindOf, fields: reader.fields } });
    start = index + 1;
  });
  return assignments;
}

class Reader {
  readonly fields: string[] = [];
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(all: readonly Token[]) {
    this.#tokens = all;
  }

  either(): Kind {
    return this.#joined('OR', () => this.#joined('AND', () => this.#negated()));
  }

  end(): void {
    assert.equal(this.#at, this.#tokens.length, `too much: ${this.#tokens[this.#at]?.text}`);
  }

  #joined(word: string, part: () => Kind): Kind {
    const first = part();
    let count = 1;
    const kinds = [first];
    while (this.#takes('word', word)) {
      kinds.push(part());
      count += 1;
    }
    if (count > 1)
      assert.ok(
        kinds.every((kind) => kind === 'condition'),
        `${word} joins conditions`,
      );
    return first;
  }

  #negated(): Kind {
    if (!this.#takes('word', 'NOT')) return this.#compared();
    assert.equal(this.#negated(), 'condition', 'NOT is for a condition');
    return 'condition';
  }

  #compared(): Kind {
    const first = this.#sum();
    if (!['==', '!=', '>=', '<=', '<', '>'].some((sign) => this.#takes('sign', sign))) return first;
    assert.deepEqual([first, this.#sum()], ['value', 'value'], 'values are compared');
    return 'condition';
  }

  #sum(): Kind {
    return this.#counted(['+', '-'], () => this.#counted(['*', '/', '%'], () => this.#single()));
  }

  #counted(signs: readonly string[], part: () => Kind): Kind {
    const first = part();
    while (signs.some((sign) => this.#takes('sign', sign)))
      assert.deepEqual([first, part()], ['value', 'value'], 'values are added and multiplied');
    return first;
  }

  #single(): Kind {
    const token = this.#tokens[this.#at];
    this.#at += 1;
    assert.ok(token, 'it ends too soon');
    if (token.kind === 'number' || token.kind === 'text') return 'value';
    if (token.kind === 'sign') {
      assert.equal(token.text, '(', `not here: ${token.text}`);
      const kind = this.either();
      assert.ok(this.#takes('sign', ')'), 'a bracket is open');
      return kind;
    }
    if (token.kind === 'word' && this.#takes('sign', '(')) return this.#call(token.text);
    assert.ok(token.kind === 'field' || !['AND', 'OR', 'NOT'].includes(token.text), `not here: ${token.text}`);
    this.fields.push(token.text);
    return 'value';
  }

  #call(name: string): Kind {
    const [takes, gives] = FUNCTIONS[name] ?? assert.fail(`no function ${name}`);
    let given = '';
    if (!this.#takes('sign', ')')) {
      do given += this.either() === 'condition' ? 'c' : 'v';
      while (this.#takes('sign', ','));
      assert.ok(this.#takes('sign', ')'), `the bracket of ${name} is open`);
    }
    assert.match(given, new RegExp(`^${takes}$`), `${name} takes ${takes}`);
    return gives;
  }

  #takes(kind: Token['kind'], text: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== kind || token.text !== text) return false;
    this.#at += 1;
    return true;
  }
}
