/**
 * A check of our searches: pipes, quotes and brackets, the commands that we use, and each field known where it is used. It is no
 * Splunk, and runs nothing; what it does not know it refuses.
 */
import assert from 'node:assert/strict';
import { readAssignments, readExpression } from './splunk-app-eval.ts';

export interface Known {
  readonly macros: ReadonlyMap<string, string>;
  /** Of an event, as Splunk names them. */
  readonly fields: ReadonlySet<string>;
}

export interface Checked {
  readonly macros: ReadonlySet<string>;
  /** Of the events. */
  readonly fields: ReadonlySet<string>;
  /** What is left at the end; undefined: the events themselves. */
  readonly columns: readonly string[] | undefined;
}

/** Throws where it is wrong. */
export function checkSearch(search: string, known: Known): Checked {
  const macros = new Set([...search.matchAll(/`([^`]*)`/g)].map(([, name = '']) => name));
  const state: State = { known: known.fields, made: new Set(), open: true, used: new Set() };
  const [first = '', ...commands] = pipeline(search, known.macros);
  checkBase(first, state);
  for (const command of commands) checkCommand(command, state);
  return { macros, fields: state.used, columns: state.open ? undefined : [...state.made] };
}

/** The commands, with the macros put in. */
export function pipeline(search: string, macros: ReadonlyMap<string, string>): readonly string[] {
  const expanded = search.replace(
    /`([^`]*)`/g,
    (_, name: string) => macros.get(name) ?? assert.fail(`no macro ${name}`),
  );
  assert.doesNotMatch(expanded, /`/, 'a macro in a macro, or half a macro');
  return split(expanded);
}

interface State {
  readonly known: ReadonlySet<string>;
  made: Set<string>;
  /** The fields of the events are still there. */
  open: boolean;
  readonly used: Set<string>;
}

function use(state: State, field: string): void {
  if (state.made.has(field)) return;
  assert.ok(state.open && state.known.has(field), `no field ${field} here`);
  state.used.add(field);
}

/** At the pipes outside of quotes. */
function split(search: string): readonly string[] {
  const parts = [''];
  let [quote, depth] = ['', 0];
  for (const character of search) {
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    assert.ok(depth >= 0, 'a bracket too many is closed');
    if (character === '|' && quote === '') {
      assert.equal(depth, 0, 'a bracket is open at a pipe');
      parts.push('');
    } else parts[parts.length - 1] += character;
  }
  assert.deepEqual([quote, depth], ['', 0], 'a quote or a bracket is open at the end');
  return parts.map((part) => part.trim());
}

const NAME = '[\\w@][\\w.]*(?:\\{\\})?';
const VALUE = '(?:"[^"]*"|[\\w*:]+)';
const TERM = new RegExp(`(${NAME})(?:=${VALUE}| IN \\(${VALUE}(?:, ?${VALUE})*\\))`, 'g');

/** The first command: terms, and words and brackets between them. */
function checkBase(base: string, state: State): void {
  const rest = base.replaceAll(TERM, (_, field: string) => {
    if (field !== 'index' && field !== 'sourcetype') use(state, field);
    return 'T';
  });
  let [before, plain] = ['', rest.replaceAll(/\s+/g, ' ')];
  while (before !== plain) {
    before = plain;
    plain = plain.replaceAll(/\((T)\)|T (?:OR )?T/g, 'T');
  }
  assert.equal(plain, 'T', `not understood: ${rest}`);
  assert.match(base, /^\(?index=/, 'an index is named first');
}

function checkCommand(command: string, state: State): void {
  const [, name = '', rest = ''] = /^(\w+)\s*([\s\S]*)$/.exec(command) ?? [];
  const check = COMMANDS[name] ?? assert.fail(`no command ${command}`);
  check(rest.trim(), state);
}

const COMMANDS: Readonly<Record<string, (rest: string, state: State) => void>> = {
  where: (rest, state) => {
    const { kind, fields } = readExpression(rest);
    assert.equal(kind, 'condition', `where needs a condition: ${rest}`);
    for (const field of fields) use(state, field);
  },
  eval: (rest, state) => {
    for (const { name, value } of readAssignments(rest)) {
      for (const field of value.fields) use(state, field);
      state.made.add(name);
    }
  },
  stats: (rest, state) => aggregate(rest, state, 'closed'),
  eventstats: (rest, state) => aggregate(rest, state, 'open'),
  streamstats: (rest, state) => aggregate(rest, state, 'open'),
  timechart: (rest, state) => {
    use(state, '_time');
    const [, plain = ''] = /^(?:limit=\d+ )?([\s\S]+)$/.exec(rest) ?? [];
    aggregate(plain, state, 'chart');
    state.made.add('_time');
  },
  dedup: (rest, state) => list(rest, state),
  table: (rest, state) => {
    list(rest, state);
    close(state, rest.split(/\s+/));
  },
  fields: (rest, state) => {
    const [, minus, names = ''] = /^(- )?([\s\S]+)$/.exec(rest) ?? [];
    if (minus) {
      for (const pattern of names.split(/\s+/)) remove(state, pattern);
    } else {
      list(names, state);
      close(state, names.split(/\s+/));
    }
  },
  sort: (rest, state) => {
    const [, names = ''] =
      /^\d+ ([\s\S]+)$/.exec(rest) ?? assert.fail(`sort needs a number, or it keeps 10,000: ${rest}`);
    for (const name of names.split(/,\s*/)) use(state, name.replace(/^-/, ''));
  },
  iplocation: (rest, state) => {
    use(state, rest);
    for (const made of ['City', 'Country', 'Region', 'lat', 'lon']) state.made.add(made);
  },
  addinfo: (rest, state) => {
    assert.equal(rest, '');
    for (const made of ['info_min_time', 'info_max_time', 'info_sid', 'info_search_time']) state.made.add(made);
  },
  transpose: (rest, state) => {
    const [, column = ''] = /^0 column_name=(\w+)$/.exec(rest) ?? assert.fail(rest);
    assert.ok(!state.open, 'of all events is much');
    state.made = new Set([column, 'row 1']);
  },
  rename: (rest, state) => {
    const [, from = '', to = ''] = /^"([^"]+)" as (\w+)$/.exec(rest) ?? assert.fail(rest);
    use(state, from);
    state.made.delete(from);
    state.made.add(to);
  },
};

function close(state: State, columns: readonly string[]): void {
  state.made = new Set(columns);
  state.open = false;
}

function remove(state: State, pattern: string): void {
  const start = pattern.replace(/\*$/, '');
  const gone = [...state.made].filter((name) => (pattern.endsWith('*') ? name.startsWith(start) : name === pattern));
  assert.ok(gone.length > 0, `no field ${pattern} to remove`);
  for (const name of gone) state.made.delete(name);
}

function list(rest: string, state: State): void {
  assert.match(rest, new RegExp(`^${NAME}( ${NAME})*$`));
  for (const name of rest.split(/\s+/)) use(state, name);
}

const FUNCTION = new RegExp(
  `^(avg|count|dc|latest|max|min|sum|values)(?:\\((eval\\(.*?\\)(?=\\) as)|${NAME})\\))?(?: as (?:"([^"]+)"|(\\w+)))?(?:,? |$)`,
);

function aggregate(rest: string, state: State, mode: 'open' | 'closed' | 'chart'): void {
  const [, functions = '', by] = /^(.*?)(?: by (.*))?$/s.exec(rest) ?? [];
  const keys = by?.split(' ') ?? [];
  for (const key of keys) use(state, key);
  const made: string[] = [];
  let left = functions;
  while (left !== '') {
    const [whole = '', name = '', inner, quoted, plain] = FUNCTION.exec(left) ?? assert.fail(`no function: ${left}`);
    assert.ok(inner !== undefined || name === 'count', `${name} needs a field`);
    const label = quoted ?? plain;
    assert.ok(
      label !== undefined || (mode === 'chart' && keys.length > 0) || (mode === 'chart' && inner === undefined),
      `${whole} has no name`,
    );
    if (inner?.startsWith('eval(')) {
      const { kind, fields } = readExpression(inner.slice(5, -1));
      assert.equal(kind, 'condition');
      for (const field of fields) use(state, field);
    } else if (inner !== undefined) use(state, inner);
    made.push(label ?? name);
    left = left.slice(whole.length);
  }
  assert.equal(new Set(made).size, made.length, `a name is there twice: ${rest}`);
  if (mode === 'open') for (const name of made) state.made.add(name);
  else close(state, [...made, ...(mode === 'closed' ? keys : [])]);
}
