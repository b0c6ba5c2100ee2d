/** The app as files: what is checked in under content/, and packed for those who install it as a package. */
import { actionOf } from './cim.ts';
import { APP, appStanzas, CODES, DESCRIPTION, LABEL, lookupStanza, stanzas } from './conf.ts';
import { DEFAULT_PLACE } from './macros.ts';
import { byConf, confText } from './stanza.ts';
import { VIEW, viewXml } from './studio.ts';

/** A row of the lookup: what an `event.code` stands for. */
export interface CodeRow {
  readonly code: string;
  readonly activity: string;
  readonly outcome?: string | undefined;
  readonly severity: string;
  readonly message: string;
}

const FOLDER = `sinks/splunk_hec/content/${APP}`;
const HEAD = 'Made by the Mosaic SIEM Forwarder. Set what is yours in local/, which an update leaves as it is.';

/** @returns path from the top of the project, and text */
export function splunkFiles(codes: readonly CodeRow[], version: string): ReadonlyMap<string, string> {
  const all = byConf([...appStanzas(version), ...stanzas(DEFAULT_PLACE), lookupStanza()]);
  const files = new Map<string, string>();
  for (const [conf, list] of all) files.set(`default/${conf}.conf`, confText(HEAD, list));
  files.set(`default/data/ui/views/${VIEW}.xml`, viewXml());
  files.set('default/data/ui/nav/default.xml', navXml());
  files.set(`lookups/${CODES}.csv`, lookupTable(codes));
  files.set('metadata/default.meta', META);
  files.set('README.md', README);
  return new Map([...files].map(([path, content]) => [`${FOLDER}/${path}`, content]));
}

export function navXml(): string {
  return `<nav search_view="search">
  <view name="${VIEW}" default="true" />
  <view name="search" />
  <view name="reports" />
  <view name="alerts" />
  <view name="dashboards" />
</nav>
`;
}

/** What the Common Information Model reads has to be seen by other apps. */
export const EXPORTED: readonly string[] = ['props', 'eventtypes', 'tags', 'macros', 'transforms', 'lookups'];

const META = `[]
access = read : [ * ], write : [ admin, sc_admin ]
export = none

${EXPORTED.map((kind) => `[${kind}]\nexport = system\n`).join('\n')}`;

function lookupTable(codes: readonly CodeRow[]): string {
  const rows = codes.map(({ code, activity, outcome = '', severity, message }) =>
    [code, activity, outcome, severity, message, actionOf(code)].map(cell).join(','),
  );
  return `${['code,activity,outcome,severity,message,cim_action', ...rows].join('\n')}\n`;
}

function cell(value: string): string {
  return /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

const README = `# ${LABEL}

${DESCRIPTION}

- **Where the events are**: set the macro \`transmit_idv_index\` to your index. With another source type than
  \`${DEFAULT_PLACE.sourcetype}\` set \`transmit_idv_sourcetype\`, and copy its stanza of props.conf to local/props.conf.
- **Searches** are shipped disabled: enable those that you want under Settings, Searches, reports, and alerts. What each one
  finds, when it is wrong and what to do next is in its description.
- **Thresholds and lists** are macros, \`transmit_idv_d1_at_least\` and so on: set yours under Settings, Advanced search.
- **Addresses that many share** (a call centre, a branch): the macro \`transmit_idv_allowed_addresses\`.
- **Codes**: \`| inputlookup ${CODES}\`.

The events are made and sent by the Mosaic SIEM Forwarder. This app holds no scripts, no inputs and no credentials.
`;
