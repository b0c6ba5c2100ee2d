/** One message as a strict receiver reads it. */
export interface SyslogMessage {
  readonly raw: string;
  readonly facility: number;
  readonly severity: number;
  readonly timestamp: string;
  readonly hostname: string;
  readonly appName: string;
  readonly processId: string;
  readonly messageId: string;
  /** By SD-ID, then by parameter name, with escapes undone. */
  readonly structuredData: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly message: string;
  /** MSG parsed as JSON. */
  readonly document: Readonly<Record<string, unknown>>;
  /** `event.id` of the document. */
  readonly id: string;
}

const HEADER =
  /^<(\d{1,3})>1 (-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) /;
// biome-ignore lint/suspicious/noControlCharactersInRegex: raw controls are what it looks for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;

/** RFC 5424 with JSON in MSG, and nothing else: throws an error that says what is wrong. */
export function parseSyslogMessage(bytes: Uint8Array): SyslogMessage {
  const raw = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  const control = CONTROLS.exec(raw);
  if (control) throw new Error(`a raw control character U+${control[0].charCodeAt(0).toString(16)}`);
  const header = HEADER.exec(raw);
  if (!header) throw new Error('the header is not RFC 5424');
  const [whole, priority = '', timestamp = '', hostname = '', appName = '', processId = '', messageId = ''] = header;
  if (Number(priority) > 191 || String(Number(priority)) !== priority) throw new Error(`PRI ${priority}`);
  if (timestamp !== '-' && Number.isNaN(Date.parse(timestamp))) throw new Error(`TIMESTAMP ${timestamp}`);
  const { structuredData, end } = parseStructuredData(raw, whole.length);
  if (raw[end] !== ' ') throw new Error('no space before MSG');
  const message = raw.slice(end + 1);
  const document = parseDocument(message);
  const [facility, severity] = [Math.trunc(Number(priority) / 8), Number(priority) % 8];
  const header5424 = { facility, severity, timestamp, hostname, appName, processId, messageId };
  return { raw, ...header5424, structuredData, message, ...document };
}

function parseDocument(message: string): Pick<SyslogMessage, 'document' | 'id'> {
  const document = JSON.parse(message) as Record<string, unknown>;
  const id = (document['event'] as { id?: unknown } | undefined)?.id;
  if (typeof id !== 'string') throw new Error('no event.id');
  return { document, id };
}

const SD_NAME = /[!#-<>-\\^-~]{1,32}/y;
const SD_VALUE = /"((?:[^"\\\]]|\\["\\\]])*)"/y;

/** Stricter than RFC 5424: a backslash before anything but `"`, `\` and `]` is a mistake, too. */
function parseStructuredData(raw: string, start: number): Pick<SyslogMessage, 'structuredData'> & { end: number } {
  if (raw[start] === '-') return { structuredData: {}, end: start + 1 };
  const structuredData: Record<string, Record<string, string>> = {};
  let at = start;
  const take = (pattern: RegExp, what: string): RegExpExecArray => {
    pattern.lastIndex = at;
    const found = pattern.exec(raw);
    if (!found) throw new Error(`structured data: ${what} expected at ${at}`);
    at = pattern.lastIndex;
    return found;
  };
  while (raw[at] === '[') {
    at += 1;
    const [id] = take(SD_NAME, 'an SD-ID');
    if (!/^[^@]+@\d+$/.test(id)) throw new Error(`structured data: ${id} is not name@number`);
    if (structuredData[id]) throw new Error(`structured data: ${id} twice`);
    const parameters: Record<string, string> = {};
    while (raw[at] === ' ') {
      at += 1;
      const [name] = take(SD_NAME, 'a name');
      take(/=/y, '=');
      const [, value = ''] = take(SD_VALUE, 'a value');
      parameters[name] = value.replace(/\\(.)/g, '$1');
    }
    take(/\]/y, ']');
    structuredData[id] = parameters;
  }
  if (at === start) throw new Error('no structured data');
  return { structuredData, end: at };
}
