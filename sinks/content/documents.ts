/** The documents that are made from the data: docs/detections.md, docs/fields.md and docs/event.schema.json. */
import { DASHBOARDS } from './dashboards/index.ts';
import type { Dashboard, Detection, Rule } from './detection.ts';
import { DETECTIONS, RULES } from './detections/index.ts';
import { logicWords, panelWords } from './documents-words.ts';
import { fieldDocument, type MappedStreams, table } from './field-documents.ts';
import { eventSchema } from './field-documents-schema.ts';
import { notInSigma } from './sigma.ts';

/** What only the folders of the SIEMs know of a rule, by its uuid. */
interface Engines {
  /** The type of the rule in Kibana's detection engine. */
  readonly kibana: ReadonlyMap<string, string>;
  /** Whether the Splunk app has a search for it. */
  readonly splunk: ReadonlySet<string>;
}

/** By path from the project's root. */
export function documentFiles(streams: MappedStreams, engines: Engines): ReadonlyMap<string, string> {
  return new Map([
    ['docs/detections.md', detectionDocument(engines)],
    ['docs/fields.md', fieldDocument(streams)],
    ['docs/event.schema.json', eventSchema(streams)],
  ]);
}

const INTRODUCTION = `# Detections and dashboards

What the rules find, and what to do about it. Made from the data in \`sinks/content/\` by \`npm run generate\`, as are the rules for Kibana
and Splunk and the Sigma files. How they get into a SIEM: [sinks/](../sinks/). The fields and codes in them: [fields.md](fields.md).

A rule fires on what looks like abuse of identity verification. None of them proves fraud, since the events do not show what was in
front of the camera. Every number here is a place to start from: watch a rule for some weeks, then set it to your traffic.
`;

function detectionDocument(engines: Engines): string {
  return [
    INTRODUCTION,
    overview(engines),
    GUARD_RAILS,
    '## The detections\n',
    ...DETECTIONS.map(detectionSection),
    sigmaSection(),
    '## Dashboards\n',
    ...DASHBOARDS.map(dashboardSection),
  ].join('\n');
}

function overview({ kibana, splunk }: Engines): string {
  const lacking = new Set(notInSigma().map(({ rule }) => rule.uuid));
  const rows = RULES.map(({ detection, rule }) => [
    `[${detection.id}](#${slug(headingOf(detection))})`,
    detection.title,
    rule.part ? `\`${rule.part}\`` : '',
    rule.severity,
    detection.off ? 'no' : 'yes',
    kibana.get(rule.uuid) ?? 'no',
    splunk.has(rule.uuid) ? 'yes' : 'no',
    lacking.has(rule.uuid) ? 'no' : 'yes',
  ]);
  const head = ['id', 'title', 'rule', 'severity', 'switched on', 'Kibana', 'Splunk', 'Sigma'];
  return `## All of them

*Switched on* is how \`install\` leaves a new rule in Kibana; those of the Splunk app are all installed switched off. *Kibana* is the
type of the rule there.

${table(head, rows)}`;
}

const GUARD_RAILS = `## Before you switch them on

- **Count sessions, not events.** The forwarder delivers at least once, so an event may be stored twice, and a session can end more
  than once: denied, then given a result, then deleted. The rules count different sessions, or different \`event.id\`.
- **Addresses are shared.** A call centre, a branch and the network of a mobile carrier each look like one address with many
  applicants. Put the ones that you know on the allow-list before anything else: in Kibana an exception on \`source.ip\` for each rule
  that counts by address, in Splunk the macro \`transmit_idv_allowed_addresses\`.
- **Events come late.** Mosaic is asked at intervals, and after an outage the forwarder delivers what has waited. Rules go by the time
  of the activity or of its arrival, overlap their runs, and keep quiet about a key they have just alerted on.
- **What the device says can be forged**: SDK, browser, model, version and user agent. It may raise a suspicion and never clears one.
- **Nothing may be missing for a rule to be silent.** Mosaic hands out an activity at most once; \`mosaic-siem status\` counts the possible
  gaps. A hole looks like a quiet hour.
- **Groups of applicants are not treated alike by cameras, networks and documents.** Write down which numbers you chose and why, and look
  at regular intervals whether the alerts fall on some groups more than on others. Decide nothing about a person by an alert alone.
- **Addresses and sessions are personal data.** Keep alerts as long as you need them, and let only those see them who act on them.
`;

function detectionSection(detection: Detection): string {
  const { name, why, rules, related, wrongWhen, next, off } = detection;
  const frameworks = related.map((each) => `${each.id} ${each.name} (${each.framework})`);
  return [
    `### ${headingOf(detection)}\n`,
    `\`${name}\`. ${why}\n`,
    ...(off ? [`Installed switched off: ${off}.\n`] : []),
    ...rules.map((rule) => ruleWords(rule)),
    `**Related:** ${frameworks.length > 0 ? frameworks.join('; ') : 'nothing in the frameworks; it is about the service'}.\n`,
    `**It is wrong when**\n\n${bullets(wrongWhen)}\n`,
    `**What to do**\n\n${next.map((step, index) => `${index + 1}. ${step}`).join('\n')}\n`,
  ].join('\n');
}

function ruleWords({ part, finds, severity, logic }: Rule): string {
  const [first = '', ...more] = logicWords(logic);
  const head = part ? `**Rule \`${part}\`**, ${severity}: ` : `**Rule**, ${severity}: `;
  return `${head}${finds}.\n\n${[first, ...more.map((line) => `- ${line}`)].join('\n')}\n`;
}

function sigmaSection(): string {
  const rows = notInSigma().map(({ detection, rule, why }) => [detection.id, rule.part ? `\`${rule.part}\`` : '', why]);
  return `## Sigma

\`sinks/content/sigma/\` has a file for each rule that Sigma can say and its released converters understand:
\`sigma convert --target splunk --without-pipeline sinks/content/sigma\`, or \`esql\`, or another target that knows correlations. The names of
fields are ours, so no pipeline is needed; add one for your index. Two things to know of what comes out: a correlation counts in fixed
spans, from one full hour to the next, so that what lies across an edge is counted in two parts; and most targets do not tell upper
from lower case. The rules for Kibana and Splunk above have neither limit.

What is not there:

${table(['id', 'rule', 'why'], rows)}`;
}

function dashboardSection({ id, title, tells, panels }: Dashboard): string {
  const rows = panels.map((panel) => [panel.title, panel.kind, panel.tells, panelWords(panel)]);
  return `### ${title}

${tells}

![${title}, drawn from simulated activities](pictures/${id}.svg)

The picture is drawn from simulated activities, some of them attacks, with the panels’ own filters and measures.

${table(['panel', 'kind', 'what it tells', 'how it is counted'], rows)}`;
}

function headingOf({ id, title }: Detection): string {
  return `${id} ${title}`;
}

function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n');
}
