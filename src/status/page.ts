import { createHash } from 'node:crypto';
import { pageScript } from './page-script.ts';
import { type Table, type View, viewOf } from './page-view.ts';
import type { Status } from './shape.ts';

export interface Page {
  /** The whole page, right at this moment; its script keeps it so. */
  html(status: Status): string;
  /** Value of the Content-Security-Policy header: this page's own script and style, and nothing else. */
  readonly policy: string;
}

/** One page without any outside part. Without scripts it is a snapshot. */
export function createPage(): Page {
  const script = pageScript();
  return {
    html: (status) => htmlOf(viewOf(status), script),
    policy: [
      "default-src 'none'",
      `script-src '${hashOf(script)}'`,
      `style-src '${hashOf(STYLE)}'`,
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function htmlOf(view: View, script: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Mosaic SIEM Forwarder</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>Mosaic SIEM Forwarder</h1>
<p id="summary" class="${view.tone}" role="status" aria-live="polite">${markup(view.summary)}</p>
<p id="about">${markup(view.about)}</p>
</header>
<main>
${view.tables.slice(0, 2).map(table).join('\n')}
<section>
<h2 id="spool-title">Spool</h2>
<meter id="fill" aria-labelledby="spool-title" aria-describedby="spool" min="0" max="1" low="0.7" high="0.9" optimum="0" value="${view.meter.value.toFixed(4)}"></meter>
<p id="spool">${markup(view.meter.text)}</p>
</section>
${view.tables.slice(2).map(table).join('\n')}
</main>
<script>${script}</script>
</body>
</html>
`;
}

function table({ id, caption, headers, rows, empty }: Table): string {
  const head = headers.map((header) => `<th scope="col">${markup(header)}</th>`).join('');
  const none = `<tr><td colspan="${headers.length}">${markup(empty)}</td></tr>`;
  const body = rows.map(({ tone, cells }) => {
    const [first = '', ...others] = cells.map(markup);
    return `<tr class="${tone}"><th scope="row">${first}</th>${others.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  return `<div class="scroll" tabindex="0" role="region" aria-label="${markup(caption)}">
<table id="${id}"><caption>${markup(caption)}</caption><thead><tr>${head}</tr></thead><tbody>${body.join('') || none}</tbody></table>
</div>`;
}

function markup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const STYLE = `
:root { color-scheme: light dark; --text: #1b1f24; --back: #fff; --line: #d5dae0; --quiet: #57606a; --good: #116329; --warn: #7d4e00; --bad: #b3131d; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --back: #0d1117; --line: #30363d; --quiet: #9da7b3; --good: #56d364; --warn: #e3b341; --bad: #ff8182; }
}
body { margin: 0 auto; max-width: 78rem; padding: 1rem 1.5rem 3rem; font: 15px/1.45 system-ui, sans-serif; color: var(--text); background: var(--back); }
h1 { font-size: 1.35rem; margin: 0; }
h2, caption { font-size: 1.05rem; font-weight: 600; text-align: left; margin: 0; padding: 1.2rem 0 .3rem; }
p { margin: .2rem 0; }
#about, #spool { color: var(--quiet); }
#summary { font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); font-weight: 400; }
thead th { color: var(--quiet); font-size: .85rem; white-space: nowrap; }
tbody th { font-weight: 600; white-space: nowrap; }
td { white-space: nowrap; }
td:last-child { overflow-wrap: anywhere; white-space: normal; }
#summary.good, tr.good td:nth-child(2) { color: var(--good); }
#summary.warn, tr.warn td:nth-child(2) { color: var(--warn); }
#summary.bad, tr.bad td:nth-child(2) { color: var(--bad); font-weight: 600; }
meter { width: 100%; height: 1.2rem; }
`;
