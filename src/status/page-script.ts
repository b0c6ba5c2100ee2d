import { type Table, type View, viewOf, viewSource } from './page-view.ts';
import type { Status } from './shape.ts';

/** What the page's script needs of a browser. */
interface PageElement {
  textContent: string;
  className: string;
  value: number;
  scope: string;
  colSpan: number;
  append(...children: PageElement[]): void;
  replaceChildren(...children: PageElement[]): void;
}
declare const document: { querySelector(selector: string): PageElement; createElement(name: string): PageElement };

/** The script that keeps the page fresh. It only ever sets textContent, so that words from outside stay words. */
export function pageScript(): string {
  const carried = [keepFresh, refresh, show, say, rowElement, headElement, emptyRow, lost].map(String).join('\n');
  return `'use strict';\n${viewSource()}\n${carried}\nkeepFresh();`;
}

// Danger: these run in the browser, from their own sources; they may use one another and viewOf, and nothing else of this file.

function keepFresh(): void {
  setTimeout(() => void refresh().catch(lost).finally(keepFresh), 2000);
}

async function refresh(): Promise<void> {
  const answer = await fetch('/api/status', { signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(String(answer.status));
  show(viewOf((await answer.json()) as Status));
}

function show(view: View): void {
  document.querySelector('#summary').className = view.tone;
  say('#summary', view.summary);
  say('#about', view.about);
  document.querySelector('#fill').value = view.meter.value;
  say('#spool', view.meter.text);
  for (const table of view.tables) {
    const rows = table.rows.length > 0 ? table.rows.map(rowElement) : [emptyRow(table)];
    document.querySelector(`#${table.id} tbody`).replaceChildren(...rows);
    document.querySelector(`#${table.id} thead tr`).replaceChildren(...table.headers.map(headElement));
  }
}

function say(selector: string, text: string): void {
  const element = document.querySelector(selector);
  if (element.textContent !== text) element.textContent = text;
}

function rowElement({ tone, cells }: Table['rows'][number]): PageElement {
  const row = document.createElement('tr');
  row.className = tone;
  cells.forEach((text, index) => {
    const cell = document.createElement(index === 0 ? 'th' : 'td');
    if (index === 0) cell.scope = 'row';
    cell.textContent = text;
    row.append(cell);
  });
  return row;
}

function headElement(text: string): PageElement {
  const cell = document.createElement('th');
  cell.scope = 'col';
  cell.textContent = text;
  return cell;
}

function emptyRow({ headers, empty }: Table): PageElement {
  const row = document.createElement('tr');
  const cell = document.createElement('td');
  cell.colSpan = headers.length;
  cell.textContent = empty;
  row.append(cell);
  return row;
}

function lost(): void {
  document.querySelector('#summary').className = 'bad';
  say('#summary', 'The forwarder does not answer. What is shown is old.');
}
