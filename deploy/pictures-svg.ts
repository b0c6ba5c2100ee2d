/** Draws a dashboard as SVG, for light and for dark surroundings. */
import type { Dashboard, Measure, Panel } from '../sinks/content/detection.ts';
import type { Shown, Span, Value } from './pictures-panel.ts';

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Placed extends Box {
  readonly panel: Panel;
}

const COLUMN = 25;
const GAP = 8;
const TOP = 64;
const NUMBER_HEIGHT = 92;
const PANEL_HEIGHT = 268;
const HEAD = 34;
/** Of a letter, about; the fonts differ. */
const LETTER = 7.2;

/** Told apart by people who confuse colours too (Okabe and Ito). */
const STYLE = `
text { font: 12px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #24292f; }
.page { fill: #f6f8fa; } .card { fill: #ffffff; stroke: #d0d7de; } .title { font-size: 18px; font-weight: 600; }
.head { font-weight: 600; } .big { font-size: 28px; font-weight: 600; } .soft { fill: #57606a; } .grid { stroke: #d8dee4; }
.bar { fill: #0072b2; } .row { stroke: #d8dee4; } .line { fill: none; stroke-width: 2; }
.c0 { stroke: #0072b2; } .c1 { stroke: #d55e00; } .c2 { stroke: #009e73; } .c3 { stroke: #cc79a7; } .c4 { stroke: #b58900; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .page { fill: #0d1117; } .card { fill: #161b22; stroke: #30363d; } .soft { fill: #9198a1; }
.grid, .row { stroke: #30363d; } .bar { fill: #56b4e9; }
.c0 { stroke: #56b4e9; } .c1 { stroke: #e69f00; } .c2 { stroke: #2dbf94; } .c3 { stroke: #e29ac4; } .c4 { stroke: #f0e442; } }
`;

export function drawDashboard(dashboard: Dashboard, show: (panel: Panel) => Shown, span: Span): string {
  const placed = placePanels(dashboard.panels);
  const width = 48 * COLUMN + GAP;
  const height = Math.max(...placed.map((each) => each.y + each.height)) + GAP;
  const panels = placed.map((each) => ({ ...each, shown: show(each.panel) }));
  const told = panels.map(({ panel, shown }) => `${panel.title}: ${inWords(panel.measure, shown)}`).join(' ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title desc">
<title id="title">${xml(dashboard.title)}</title>
<desc id="desc">${xml(`Drawn from simulated activities. ${told}`)}</desc>
<style>${STYLE}</style>
<rect class="page" width="${width}" height="${height}"/>
${text(GAP + 4, 28, dashboard.title, 'title')}
${text(GAP + 4, 48, `${dashboard.tells} Simulated activities of ${clock(span.from)} to ${clock(span.to)} UTC.`, 'soft')}
${panels.map(({ shown, ...box }) => drawPanel(box, shown, span)).join('\n')}
</svg>
`;
}

/** From the left, a new line where one does not fit. */
function placePanels(panels: readonly Panel[]): Placed[] {
  const placed: Placed[] = [];
  let [column, y, tallest] = [0, TOP, 0];
  for (const panel of panels) {
    const height = panel.kind === 'number' ? NUMBER_HEIGHT : PANEL_HEIGHT;
    if (column + panel.width > 48) [column, y, tallest] = [0, y + tallest + GAP, 0];
    placed.push({ panel, x: column * COLUMN + GAP, y, width: panel.width * COLUMN - GAP, height });
    column += panel.width;
    tallest = Math.max(tallest, height);
  }
  return placed;
}

function drawPanel({ panel, x, y, width, height }: Placed, shown: Shown, span: Span): string {
  const inner = { x: 14, y: HEAD + 8, width: width - 28, height: height - HEAD - 22 };
  return `<g transform="translate(${x} ${y})">
<rect class="card" width="${width}" height="${height}" rx="6"/>
${text(14, 22, cut(panel.title, width - 28), 'head')}
${drawShown(panel, shown, inner, span)}
</g>`;
}

function drawShown({ measure, kind }: Panel, shown: Shown, box: Box, span: Span): string {
  if (shown.kind === 'number') return text(box.x, box.y + 32, valueText(measure, shown.value), 'big');
  if (shown.kind === 'lines') return drawLines(measure, shown.lines, box, span);
  if (shown.rows.length === 0) return text(box.x, box.y + 16, 'nothing in this span', 'soft');
  return drawRows(measure, shown.rows, box, kind === 'bars');
}

function drawRows(measure: Measure, rows: readonly Value[], box: Box, bars: boolean): string {
  const step = Math.min(24, box.height / rows.length);
  const most = Math.max(...rows.map(({ value = 0 }) => value), 1);
  const longest = Math.max(...rows.map(({ name }) => name.length)) * LETTER + 8;
  const labels = bars ? Math.min(longest, box.width * 0.5) : box.width - 56;
  const room = box.width - labels - 56;
  return rows
    .map(({ name, value }, index) => {
      const y = box.y + index * step;
      const label = text(box.x, y + step / 2 + 4, cut(name, labels - 8));
      const number = valueText(measure, value);
      if (!bars) {
        const line = `<path class="row" d="M${box.x} ${at(y + step)}h${at(box.width)}"/>`;
        return label + text(box.x + box.width, y + step / 2 + 4, number, '', 'end') + line;
      }
      const width = (room * (value ?? 0)) / most;
      const bar = `<rect class="bar" x="${at(box.x + labels)}" y="${at(y + 3)}" width="${at(width)}" height="${at(step - 6)}"/>`;
      return label + bar + text(box.x + labels + width + 6, y + step / 2 + 4, number, 'soft');
    })
    .join('\n');
}

type Line = Extract<Shown, { kind: 'lines' }>['lines'][number];

function drawLines(measure: Measure, lines: readonly Line[], box: Box, span: Span): string {
  if (lines.length === 0) return text(box.x, box.y + 16, 'nothing in this span', 'soft');
  const { drawn, height } = legend(lines, box);
  const top = roundUp(Math.max(...lines.flatMap(({ values }) => values.map((value) => value ?? 0)), 1));
  const plot = { x: box.x + 40, y: box.y + height + 4, width: box.width - 44, height: box.height - height - 22 };
  const xOf = (index: number) => plot.x + (plot.width * (index + 0.5)) / span.buckets;
  const yOf = (value: number) => plot.y + plot.height * (1 - value / top);
  const grid = [0, top / 2, top].map(
    (value) =>
      `<path class="grid" d="M${plot.x} ${at(yOf(value))}h${at(plot.width)}"/>${text(plot.x - 6, yOf(value) + 4, valueText(measure, value), 'soft', 'end')}`,
  );
  const hours = [0, 1, 2, 3].map((quarter) => {
    const time = span.from + ((span.to - span.from) * quarter) / 4;
    return text(plot.x + (plot.width * quarter) / 4, plot.y + plot.height + 18, clock(time).slice(-5), 'soft');
  });
  const paths = lines.map(({ values }, index) => {
    const points = values.flatMap((value, place) => (value === undefined ? [] : [[xOf(place), yOf(value)] as const]));
    const path = points.map(([x, y], place) => `${place === 0 ? 'M' : 'L'}${at(x)} ${at(y)}`).join('');
    return `<path class="line c${index}" d="${path}"/>`;
  });
  return [drawn, ...grid, ...hours, ...paths].join('\n');
}

/** Names beside a dash of their colour, in as many lines as they need. */
function legend(lines: readonly Line[], box: Box): { readonly drawn: string; readonly height: number } {
  if (lines.every(({ name }) => name === '')) return { drawn: '', height: 0 };
  let [x, y] = [box.x, box.y + 4];
  const drawn = lines.map(({ name }, index) => {
    const label = cut(name, box.width - 24);
    const width = 24 + label.length * LETTER + 14;
    if (x > box.x && x + width > box.x + box.width + 14) [x, y] = [box.x, y + 18];
    const mark = `<path class="line c${index}" d="M${at(x)} ${at(y)}h16"/>${text(x + 22, y + 4, label)}`;
    x += width;
    return mark;
  });
  return { drawn: drawn.join('\n'), height: y - box.y + 14 };
}

function roundUp(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return (([2, 4, 6, 8].find((step) => step * unit >= value) ?? 10) * unit) as number;
}

function inWords(measure: Measure, shown: Shown): string {
  if (shown.kind === 'number') return `${valueText(measure, shown.value)}.`;
  if (shown.kind === 'rows')
    return `${shown.rows.map(({ name, value }) => `${name} ${valueText(measure, value)}`).join(', ') || 'nothing'}.`;
  const most = shown.lines.map(({ name, values }) => {
    const top = valueText(measure, Math.max(...values.map((value) => value ?? 0)));
    return `${name ? `${name} ` : ''}up to ${top}`;
  });
  return `${most.join(', ') || 'nothing'} in an hour.`;
}

function valueText(measure: Measure, value: number | undefined): string {
  if (value === undefined) return '–';
  if (typeof measure === 'object' && 'share' in measure) return `${value.toFixed(1)} %`;
  if (typeof measure === 'object' && 'newest' in measure) return clock(value);
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

function clock(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}

function at(number: number): string {
  return String(Math.round(number * 10) / 10);
}

function cut(label: string, width: number): string {
  const most = Math.max(3, Math.floor(width / LETTER));
  return label.length > most ? `${label.slice(0, most - 1)}…` : label;
}

function text(x: number, y: number, content: string, kind = '', anchor = ''): string {
  const attributes = `${kind ? ` class="${kind}"` : ''}${anchor ? ` text-anchor="${anchor}"` : ''}`;
  return `<text x="${at(x)}" y="${at(y)}"${attributes}>${xml(content)}</text>`;
}

function xml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
