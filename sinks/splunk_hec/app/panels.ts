/** A panel of a dashboard as a search. */
import type { Field, Filter, Panel, Step } from '../../content/detection.ts';
import { asksCountry, exactly, fieldsOf, nameOf, roughly, termOf, text } from './filter.ts';
import { INDEX } from './macros.ts';

const ID: Field = 'event.id';
const SESSION: Field = 'transmit_security.idv.session_id';
/** Bars, rows and lines of one panel; lines beyond it are added up. */
const MOST = 10;

/** @param sourcetype the macro of the source types that the panel's dashboard counts */
export function panelSearch(panel: Panel, sourcetype: string): string {
  const { filter, measure, by, split } = panel;
  const rough = filter && roughly(filter);
  const commands = [
    `\`${INDEX}\` \`${sourcetype}\`${rough ? ` ${rough}` : ''}`,
    ...(asksCountry(fieldsUsed(panel)) ? ['iplocation src', 'where isnotnull(Country) AND Country!=""'] : []),
    ...(filter ? [`where ${condition(filter)}`] : []),
  ];
  if (typeof measure === 'object' && 'share' in measure) return piped([...commands, ...share(measure.share)]);
  if (typeof measure === 'object' && 'newest' in measure) return piped([...commands, ...newest(measure.newest)]);
  const steps = isSteps(split) ? split : isSteps(by) ? by : undefined;
  if (steps) return piped([...commands, ...stepped(steps, measure, by === 'time')]);
  const counted = `${aggregate(measure)} as ${labelOf(measure)}`;
  if (by === 'time') {
    // A function with a split names its columns after the values.
    const over = split && !isSteps(split) ? `limit=${MOST} ${aggregate(measure)} by ${nameOf(split)}` : counted;
    return piped([...commands, `timechart ${over}`]);
  }
  if (by === undefined || isSteps(by)) return piped([...commands, `stats ${counted}`]);
  return piped([...commands, `stats ${counted} by ${nameOf(by)}`, `sort ${MOST} -${labelOf(measure)}`]);
}

type Counted = Exclude<Panel['measure'], { readonly share: Filter } | { readonly newest: Field }>;

function aggregate(measure: Counted): string {
  if (measure === 'events') return `dc(${nameOf(ID)})`;
  return measure === 'sessions' ? `dc(${nameOf(SESSION)})` : `avg(${nameOf(measure.average)})`;
}

function labelOf(measure: Counted): string {
  return typeof measure === 'string' ? measure : 'average';
}

function share(part: Filter): readonly string[] {
  return [
    `eval part=if(${condition(part)},${termOf(SESSION)},null())`,
    `stats dc(part) as part dc(${nameOf(SESSION)}) as sessions`,
    'eval percent=round(100*part/sessions,1)',
    'fields percent',
  ];
}

/** Times of ours are texts in UTC, whose order is that of time. */
function newest(field: Field): readonly string[] {
  if (nameOf(field) !== '_time') return [`eval newest=${termOf(field)}`, 'stats max(newest) as newest'];
  return ['stats max(_time) as newest', 'eval newest=strftime(newest,"%Y-%m-%d %H:%M:%S %z")'];
}

/** A column for each step over time, else a row for each. */
function stepped(steps: readonly Step[], measure: Counted, overTime: boolean): readonly string[] {
  const what = termOf(measure === 'sessions' ? SESSION : ID);
  const marks = steps.map(({ filter }, index) => `s${index + 1}=if(${condition(filter)},${what},null())`);
  const counts = steps.map(({ name }, index) => `dc(s${index + 1}) as ${text(name)}`).join(' ');
  const evals = marks.map((mark) => `eval ${mark}`);
  if (overTime) return [...evals, `timechart ${counts}`];
  return [...evals, `stats ${counts}`, 'transpose 0 column_name=step', `rename "row 1" as ${labelOf(measure)}`];
}

function condition(filter: Filter): string {
  return exactly(filter, (_, values) => values.map(text).join(','));
}

function fieldsUsed({ filter, by, split }: Panel): readonly Field[] {
  const named = [by, split].flatMap((each) => {
    if (each === undefined || each === 'time') return [];
    return isSteps(each) ? each.flatMap((step) => fieldsOf(step.filter)) : [each];
  });
  return [...(filter ? fieldsOf(filter) : []), ...named];
}

function isSteps(value: Panel['by'] | Panel['split']): value is readonly Step[] {
  return Array.isArray(value);
}

function piped(commands: readonly string[]): string {
  return commands.join('\n| ');
}
