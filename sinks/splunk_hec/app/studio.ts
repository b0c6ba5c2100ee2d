/** The dashboard: a definition of Dashboard Studio, in the view that carries it. */
import { DASHBOARDS } from '../../content/dashboards/index.ts';
import type { Panel } from '../../content/detection.ts';
import { ALL_SOURCETYPES, LOG_INDEX, SOURCETYPE } from './macros.ts';
import { panelSearch } from './panels.ts';

export const VIEW = 'mosaic_idv';

interface Block {
  readonly item: string;
  readonly type: 'block' | 'input';
  readonly position: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

/** A panel that is ready: what is drawn, and by which search. */
interface Drawn {
  readonly id: string;
  readonly title: string;
  readonly tells: string;
  readonly kind: Panel['kind'] | 'heading';
  readonly query: string;
  readonly width: number;
}

const PAGE = 1200;
const COLUMNS = 48;
const HEIGHTS: Readonly<Record<Drawn['kind'], number>> = { heading: 90, number: 140, line: 300, bars: 300, table: 300 };
const LOOKS: Readonly<Record<Panel['kind'], string>> = {
  number: 'splunk.singlevalue',
  line: 'splunk.line',
  bars: 'splunk.bar',
  table: 'splunk.table',
};

export function definition() {
  const panels = [...DASHBOARDS.flatMap(drawnOf), ...LOG_PANELS];
  const searched = panels.filter(({ kind }) => kind !== 'heading');
  return {
    title: TITLE,
    description: TELLS,
    inputs: {
      input_time: {
        type: 'input.timerange',
        title: 'Time',
        options: { token: 'global_time', defaultValue: '-7d@h,now' },
      },
    },
    defaults: {
      dataSources: {
        'ds.search': {
          options: { queryParameters: { earliest: '$global_time.earliest$', latest: '$global_time.latest$' } },
        },
      },
    },
    visualizations: Object.fromEntries(panels.map((panel) => [`viz_${panel.id}`, visualization(panel)])),
    dataSources: Object.fromEntries(searched.map((panel) => [`ds_${panel.id}`, dataSource(panel)])),
    layout: {
      type: 'grid',
      options: { width: PAGE, height: heightOf(panels) },
      structure: structure(panels),
      globalInputs: ['input_time'],
    },
  };
}

export function viewXml(): string {
  const json = JSON.stringify(definition(), undefined, 2);
  if (json.includes(']]>')) throw new Error('a definition cannot hold the end of a CDATA section');
  return `<dashboard version="2" theme="dark">
  <label>${escaped(TITLE)}</label>
  <description>${escaped(TELLS)}</description>
  <definition><![CDATA[
${json}
  ]]></definition>
</dashboard>
`;
}

const TITLE = 'Mosaic identity verification';
const TELLS = DASHBOARDS.map(({ tells }) => tells).join(' ');

function drawnOf({ id, title, tells, panels }: (typeof DASHBOARDS)[number]): readonly Drawn[] {
  const sourcetype = id === 'operations' ? ALL_SOURCETYPES : SOURCETYPE;
  return [
    heading(id, title, tells),
    ...panels.map((panel) => ({ ...panel, id: `${id}_${panel.id}`, query: panelSearch(panel, sourcetype) })),
  ];
}

function heading(id: string, title: string, tells: string): Drawn {
  return { id: `${id}_heading`, title, tells, kind: 'heading', query: '', width: COLUMNS };
}

const LOG = `\`${LOG_INDEX}\` sourcetype="mosaic_siem:log"`;

/** The forwarder's own log, which is in Splunk only where its config sends it there. */
const LOG_PANELS: readonly Drawn[] = [
  heading(
    'log',
    'The forwarder',
    'Empty, unless `log.outputs` of the forwarder has one of type `splunk_hec`, and the macro `transmit_idv_log_index` names its index.',
  ),
  {
    id: 'log_gaps',
    title: 'Possible gaps',
    tells: 'Answers of Mosaic that may have been lost, by reason: activities may be missing from that minute.',
    kind: 'line',
    query: `${LOG} what=possible_gap\n| timechart count by reason`,
    width: 24,
  },
  {
    id: 'log_dead',
    title: 'Dead letters',
    tells: 'Events that a SIEM refused for good, by sink.',
    kind: 'line',
    query: `${LOG} what IN (dead_letter, dead_letters)\n| eval letters=coalesce(count,1)\n| timechart sum(letters) by sink`,
    width: 24,
  },
  {
    id: 'log_sinks',
    title: 'Sinks that are down',
    tells: 'Sinks whose newest line says that they are down or refuse everything, since when, and why.',
    kind: 'table',
    query: `${LOG} what IN (sink_up, sink_down, sink_suspected)\n| stats latest(what) as state latest(reason) as reason latest(_time) as since by sink\n| where state!="sink_up"\n| eval since=strftime(since,"%Y-%m-%d %H:%M:%S %z")`,
    width: 24,
  },
  {
    id: 'log_errors',
    title: 'Errors and warnings',
    tells: 'The newest of them; docs/operations.md of the forwarder says what to do.',
    kind: 'table',
    query: `${LOG} level IN (error, warn)\n| sort 50 -_time\n| table _time level message`,
    width: 24,
  },
];

function visualization({ id, title, tells, kind }: Drawn) {
  if (kind === 'heading') return { type: 'splunk.markdown', options: { markdown: `## ${title}\n${tells}` } };
  return {
    type: LOOKS[kind],
    title,
    description: tells,
    options: OPTIONS[kind],
    dataSources: { primary: `ds_${id}` },
  };
}

const OPTIONS: Readonly<Record<Panel['kind'], Readonly<Record<string, string | number>>>> = {
  number: { sparklineDisplay: 'off', trendDisplay: 'off' },
  line: { legendDisplay: 'bottom', nullValueDisplay: 'zero', yAxisTitleVisibility: 'hide' },
  bars: { legendDisplay: 'off', yAxisTitleVisibility: 'hide' },
  table: { count: 10 },
};

function dataSource({ title, query }: Drawn) {
  if (query.includes('$')) throw new Error(`a search of a dashboard cannot hold a $: ${query}`);
  return { type: 'ds.search', name: title, options: { query } };
}

/** Panels fill a line from the left; a line is as high as its highest panel. */
function structure(panels: readonly Drawn[]): readonly Block[] {
  let [x, y, high] = [0, 0, 0];
  return panels.map(({ id, kind, width }) => {
    const w = (width * PAGE) / COLUMNS;
    if (x + w > PAGE) [x, y, high] = [0, y + high, 0];
    const block: Block = { item: `viz_${id}`, type: 'block', position: { x, y, w, h: HEIGHTS[kind] } };
    x += w;
    high = Math.max(high, HEIGHTS[kind]);
    return block;
  });
}

function heightOf(panels: readonly Drawn[]): number {
  return Math.max(...structure(panels).map(({ position }) => position.y + position.h));
}

function escaped(content: string): string {
  return content.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
