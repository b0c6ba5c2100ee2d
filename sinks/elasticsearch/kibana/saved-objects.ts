/** The data view and the dashboards as Kibana imports them. */

import { DASHBOARDS } from '../../content/dashboards/index.ts';
import type { Dashboard, Panel } from '../../content/detection.ts';
import { dataStream } from '../encode.ts';
import { type Lens, lens, type Reference } from './lens.ts';
import { markOf } from './mark.ts';
import { idIn } from './space.ts';

export interface SavedObject {
  readonly type: 'index-pattern' | 'dashboard';
  readonly id: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly references: readonly Reference[];
  /** The oldest form that has all of this: a newer Kibana makes its own of it. */
  readonly coreMigrationVersion: string;
  readonly typeMigrationVersion: string;
}

export const DATA_VIEW = 'mosaic-siem-forwarder-idv';

/** The data view first: the others name it. */
export function savedObjects(space = ''): readonly SavedObject[] {
  return [dataView(space), ...DASHBOARDS.map((each) => dashboard(each, space))];
}

function dataView(space: string): SavedObject {
  const pattern = dataStream('idv', '*');
  return {
    type: 'index-pattern',
    id: idIn(space, DATA_VIEW),
    attributes: {
      title: pattern,
      name: 'Mosaic identity verification',
      timeFieldName: '@timestamp',
      allowNoIndex: true,
    },
    references: [],
    coreMigrationVersion: '8.8.0',
    typeMigrationVersion: '8.0.0',
  };
}

interface Placed {
  readonly panel: Panel;
  readonly lens: Lens;
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

function dashboard({ uuid, title, tells, panels }: Dashboard, space: string): SavedObject {
  const placed = place(panels, idIn(space, DATA_VIEW));
  const panelsJSON = JSON.stringify(placed.map(panelOf));
  return {
    type: 'dashboard',
    id: idIn(space, uuid),
    attributes: {
      title,
      description: `${tells} (${markOf([title, tells, panelsJSON])})`,
      panelsJSON,
      optionsJSON: JSON.stringify({
        useMargins: true,
        syncColors: true,
        syncCursor: true,
        syncTooltips: false,
        hidePanelTitles: false,
      }),
      timeRestore: true,
      timeFrom: 'now-7d',
      timeTo: 'now',
      version: 1,
      kibanaSavedObjectMeta: {
        searchSourceJSON: JSON.stringify({ query: { query: '', language: 'kuery' }, filter: [] }),
      },
    },
    references: placed.flatMap(({ panel, lens: { references } }) =>
      references.map((each) => ({ ...each, name: `${panel.id}:${each.name}` })),
    ),
    coreMigrationVersion: '8.8.0',
    typeMigrationVersion: '8.9.0',
  };
}

function panelOf({ panel, lens: attributes, x, y, height }: Placed) {
  return {
    type: 'lens',
    version: '8.9.0',
    panelIndex: panel.id,
    title: panel.title,
    gridData: { x, y, w: panel.width, h: height, i: panel.id },
    embeddableConfig: { attributes, enhancements: {} },
  };
}

const COLUMNS = 48;

/** From the left; a panel that does not fit into its line begins the next one. A line is as high as its highest panel. */
function place(panels: readonly Panel[], view: string): readonly Placed[] {
  const placed: Placed[] = [];
  let [x, y, line] = [0, 0, 0];
  for (const panel of panels) {
    const height = panel.kind === 'number' ? 5 : 12;
    if (x + panel.width > COLUMNS) [x, y, line] = [0, y + line, 0];
    placed.push({ panel, lens: lens(panel, view), x, y, height });
    [x, line] = [x + panel.width, Math.max(line, height)];
  }
  return placed;
}
