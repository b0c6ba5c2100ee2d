/** The pictures of the documents: each dashboard as its panels show a simulated day. */
import { DASHBOARDS } from '../sinks/content/dashboards/index.ts';
import { dayOfEvents, END, HOURS, START } from './pictures-data.ts';
import { shown } from './pictures-panel.ts';
import { drawDashboard } from './pictures-svg.ts';

/** By path from the project's root. */
export function pictureFiles(): ReadonlyMap<string, string> {
  const events = dayOfEvents();
  const span = { from: START, to: END, buckets: HOURS };
  return new Map(
    DASHBOARDS.map((dashboard) => [
      `docs/pictures/${dashboard.id}.svg`,
      drawDashboard(dashboard, (panel) => shown(panel, events, span), span),
    ]),
  );
}
