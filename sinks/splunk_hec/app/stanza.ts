/** Configuration of Splunk as data: written as files for the app, and sent stanza by stanza over REST. */

export interface Stanza {
  /** As in `props` of props.conf. */
  readonly conf: string;
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  /** A line above it. */
  readonly comment?: string;
  /** Written as a comment, so without effect. */
  readonly off?: true;
}

/** The text of a file. A value of several lines is continued as Splunk wants it. */
export function confText(head: string, stanzas: readonly Stanza[]): string {
  return `# ${head}\n\n${stanzas.map(stanzaText).join('\n')}`;
}

function stanzaText({ name, settings, comment, off }: Stanza): string {
  if (/[\]\n]/.test(name)) throw new Error(`no stanza can be called ${name}`);
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value.replaceAll('\n', ' \\\n')}`);
  const body = [`[${name}]`, ...lines].join('\n');
  return `${comment ? `# ${comment}\n` : ''}${off ? body.replaceAll(/^/gm, '# ') : body}\n`;
}

/** In their order, a list for each file. */
export function byConf(stanzas: readonly Stanza[]): ReadonlyMap<string, readonly Stanza[]> {
  return Map.groupBy(stanzas, ({ conf }) => conf);
}
