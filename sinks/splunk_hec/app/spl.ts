/** A rule as a search. `detection.ts` says what each kind means; what a search adds or leaves out is said here. */
import type {
  Detection,
  Each,
  Field,
  Filter,
  Group,
  Pace,
  Rate,
  Rule,
  Sequence,
  Signs,
  Silence,
  Span,
} from '../../content/detection.ts';
import { milliseconds } from '../../content/span.ts';
import { asksCountry, either, exactly, fieldsOf, type ListOf, nameOf, termOf, text } from './filter.ts';
import { ALLOWED_ADDRESSES, INDEX, type Macro, RuleMacros, SOURCETYPE } from './macros.ts';

const ID: Field = 'event.id';
const SESSION: Field = 'transmit_security.idv.session_id';
const APPLICATION: Field = 'transmit_security.idv.app_id';
const ADDRESS: Field = 'source.ip';
/** A result names at most so many sessions. */
const MOST_NAMED = 20;

export interface Search {
  /** Commands, a line for each. */
  readonly search: string;
  readonly macros: readonly Macro[];
}

export function searchOf(detection: Detection, rule: Rule): Search {
  const macros = new RuleMacros(detection.id, rule);
  const commands = [...commandsOf(rule, macros), `eval ${marks(detection, rule)}`];
  return { search: commands.join('\n| '), macros: [...macros.made.values()] };
}

function marks({ name }: Detection, { severity, uuid }: Rule): string {
  return `detection=${text(name)}, severity=${text(severity)}, rule_id=${text(uuid)}`;
}

function commandsOf({ logic }: Rule, macros: RuleMacros): readonly string[] {
  const listOf: ListOf = (field, values) => macros.list(field, values);
  switch (logic.kind) {
    case 'each':
      return each(logic, listOf);
    case 'group':
      return group(logic, macros, listOf);
    case 'signs':
      return signs(logic, macros, listOf);
    case 'sequence':
      return sequence(logic, macros, listOf);
    case 'pace':
      return pace(logic, macros, listOf);
    case 'rate':
      return rate(logic, macros, listOf);
    case 'silence':
      return silence(logic, macros);
  }
}

/** Events that pass any of the filters, with the country where it is asked for, and without allowed addresses. */
function found(filters: readonly Filter[], also: readonly Field[], by: readonly Field[] = []): readonly string[] {
  const rough = either(filters);
  const asked = [...filters.flatMap(fieldsOf), ...also];
  return [
    `\`${INDEX}\` \`${SOURCETYPE}\`${rough ? ` ${rough}` : ''}`,
    // The alias of the address: iplocation takes a name without dots.
    ...(asksCountry(asked) ? ['iplocation src'] : []),
    ...(by.includes(ADDRESS) ? [`where NOT (\`${ALLOWED_ADDRESSES}\`)`] : []),
  ];
}

function each({ filter }: Each, listOf: ListOf): readonly string[] {
  const shown: readonly Field[] = [ID, 'event.code', SESSION, APPLICATION, ADDRESS, ...fieldsOf(filter)];
  return [
    ...found([filter], []),
    `where ${exactly(filter, listOf)}`,
    `dedup ${ID}`,
    `table _time ${[...new Set(shown.map(nameOf))].join(' ')}`,
  ];
}

function group(logic: Group, macros: RuleMacros, listOf: ListOf): readonly string[] {
  const { filter, by, unless, quiet, recent, distinct = ID } = logic;
  const least = macros.number('at_least', logic.atLeast, 'how many it takes.');
  const counted = exactly(filter, listOf);
  const noisy = quiet ? `${counted} AND ${outside(quiet, macros)}` : counted;
  return [
    ...found(unless ? [filter, unless] : [filter], [distinct, ...by], by),
    ...(quiet ? [`eval hour=${hourOf('_time')}`] : []),
    ...(unless
      ? [
          `eval counts=if(${noisy},1,0), bars=if(${exactly(unless, listOf)},1,0)`,
          'where counts==1 OR bars==1',
          `eval counted=if(counts==1,${termOf(distinct)},null()), at=if(counts==1,_time,null())`,
        ]
      : [`where ${noisy}`, `eval counted=${termOf(distinct)}, at=_time`]),
    `stats dc(counted) as found min(at) as first_seen max(at) as last_seen ${unless ? 'max(bars) as barred ' : ''}${evidence(by)}`,
    `where found>=${least}${unless ? ' AND barred==0' : ''}`,
    ...(recent ? ['addinfo', `where last_seen>=info_max_time-${seconds(recent)}`, 'fields - info_*'] : []),
    ...named(by),
    readable('first_seen', 'last_seen'),
  ];
}

/** The hours may go over midnight. */
function outside([from, until]: readonly [number, number], macros: RuleMacros): string {
  const first = macros.number('quiet_from', from, 'the hour of the day, UTC, from which events do not count.');
  const end = macros.number('quiet_until', until, 'the hour of the day, UTC, from which they count again.');
  return `(hour-${first}+24)%24>=(${end}-${first}+24)%24`;
}

function signs(logic: Signs, macros: RuleMacros, listOf: ListOf): readonly string[] {
  const { by } = logic;
  const least = macros.number('at_least', logic.atLeast, 'how many different signs it takes.');
  const cases = logic.signs.map(({ name, filter }) => `if(${exactly(filter, listOf)},${text(name)},null())`);
  const filters = logic.signs.map(({ filter }) => filter);
  return [
    ...found(filters, by, by),
    `eval sign=mvappend(${cases.join(', ')})`,
    'where isnotnull(sign)',
    `stats dc(sign) as found values(sign) as signs min(_time) as first_seen max(_time) as last_seen ${evidence(by)}`,
    `where found>=${least}`,
    ...named(by),
    readable('first_seen', 'last_seen'),
  ];
}

/** Of two events at the same time neither is behind the other. */
function sequence(logic: Sequence, macros: RuleMacros, listOf: ListOf): readonly string[] {
  const { by, after, differing } = logic;
  const least = macros.number('at_least', after.atLeast, 'how many events of the first kind it takes.');
  const keys = by.map(nameOf).join(' ');
  return [
    ...found([after.filter, logic.filter], [...by, ...(differing ? [differing] : [])], by),
    `eval step=case(${exactly(after.filter, listOf)},"before", ${exactly(logic.filter, listOf)},"then")`,
    'where isnotnull(step)',
    `dedup ${ID}`,
    ...(differing
      ? [
          `eval differing=if(${termOf(differing)}=="",null(),${termOf(differing)})`,
          `eventstats dc(differing) as different by ${keys}`,
        ]
      : []),
    'sort 0 _time, -step',
    `streamstats count(eval(step=="before")) as earlier by ${keys}`,
    `where step=="then" AND earlier>=${least}${differing ? ' AND different>=2' : ''}`,
    `stats max(earlier) as earlier min(_time) as first_seen max(_time) as last_seen ${evidence(by)}`,
    ...named(by),
    readable('first_seen', 'last_seen'),
  ];
}

function pace(logic: Pace, macros: RuleMacros, listOf: ListOf): readonly string[] {
  const { by, from, to } = logic;
  const under = macros.number('under_seconds', seconds(logic.under), 'how many seconds are too few.');
  return [
    ...found([from, to], by, by),
    `eval begins=if(${exactly(from, listOf)},_time,null()), ends=if(${exactly(to, listOf)},_time,null())`,
    'where isnotnull(begins) OR isnotnull(ends)',
    `eventstats min(begins) as first_seen by ${by.map(nameOf).join(' ')}`,
    'where ends>=first_seen',
    `stats min(first_seen) as first_seen min(ends) as last_seen ${evidence(by)}`,
    'eval seconds=round(last_seen-first_seen,3)',
    `where seconds<${under}`,
    ...named(by),
    readable('first_seen', 'last_seen'),
  ];
}

/** The window is the last part of what is searched; the baseline is the rest. */
function rate(logic: Rate, macros: RuleMacros, listOf: ListOf): readonly string[] {
  const { by, of, part, above, distinct = ID } = logic;
  const least = macros.number('at_least', logic.atLeast, 'how many there must be, in the window and before it.');
  const leastPart = macros.number(
    'part_at_least',
    logic.partAtLeast,
    'how many of the kind that is watched there must be.',
  );
  const counted = termOf(distinct);
  return [
    ...found([of], [distinct, ...by], by),
    `where ${exactly(of, listOf)}`,
    'addinfo',
    `eval period=if(_time>=info_max_time-${seconds(logic.window)},"now","usual"), part=if(${exactly(part, listOf)},1,0)`,
    `eval now_of=if(period=="now",${counted},null()), now_part=if(period=="now" AND part==1,${counted},null())`,
    `eval usual_of=if(period=="usual",${counted},null()), usual_part=if(period=="usual" AND part==1,${counted},null())`,
    `stats dc(now_of) as now_of dc(now_part) as now_part dc(usual_of) as usual_of dc(usual_part) as usual_part by ${by.map(nameOf).join(' ')}`,
    `where now_of>=${least} AND usual_of>=${least} AND now_part>=${leastPart}`,
    'eval share=now_part/now_of, usual=usual_part/usual_of',
    `where share>${bound(above, macros)}`,
    'eval share=round(100*share,1), usual=round(100*usual,1)',
  ];
}

function bound(above: Rate['above'], macros: RuleMacros): string {
  if ('times' in above)
    return `usual*${macros.number('times', above.times, 'more than so many times the usual share.')}`;
  const sigmas = macros.number('sigmas', above.sigmas, 'so many standard errors above the usual share.');
  return `usual+${sigmas}*sqrt(usual*(1-usual)/now_of)`;
}

/** The time that is judged is the end of the window. strftime would tell the hour where the user of the search lives. */
function silence(logic: Silence, macros: RuleMacros): readonly string[] {
  const [from, until] = logic.hours;
  const first = macros.number('from_hour', from, 'the hour of the day, UTC, from which events are expected.');
  const end = macros.number('until_hour', until, 'the hour of the day, UTC, from which none are expected.');
  return [
    ...found([], []),
    'stats count as found',
    'addinfo',
    `eval hour=${hourOf('info_max_time')}, day=(floor(info_max_time/86400)+4)%7`,
    `where found==0 AND hour>=${first} AND hour<${end} AND day>=1 AND day<=5`,
    'fields - info_*',
  ];
}

function hourOf(time: string): string {
  return `floor((${time}%86400)/3600)`;
}

const EVIDENCE: readonly (readonly [name: string, field: Field])[] = [
  ['sessions', SESSION],
  ['applications', APPLICATION],
  ['addresses', ADDRESS],
];

/** What else the events of a key hold, at the end of a `stats`. */
function evidence(by: readonly Field[]): string {
  const values = EVIDENCE.filter(([, field]) => !by.includes(field)).map(
    ([name, field]) => `values(${nameOf(field)}) as ${name}`,
  );
  return `${values.join(' ')} by ${by.map(nameOf).join(' ')}`;
}

function named(by: readonly Field[]): readonly string[] {
  const names = EVIDENCE.filter(([, field]) => !by.includes(field)).map(([name]) => name);
  return [`eval ${names.map((name) => `${name}=mvindex(${name},0,${MOST_NAMED - 1})`).join(', ')}`];
}

function readable(...names: readonly string[]): string {
  return `eval ${names.map((name) => `${name}=strftime(${name},"%Y-%m-%d %H:%M:%S %z")`).join(', ')}`;
}

export function seconds(span: Span): number {
  return milliseconds(span) / 1_000;
}
