import { paint, printable, type SecurityEvent, type Severity } from '../../src/sink.ts';

const COLOURS = {
  informational: 'gray',
  low: 'cyan',
  medium: 'yellow',
  high: 'red',
  critical: 'magenta',
} as const satisfies Readonly<Record<Severity, string>>;

/** `TIME SEVERITY CODE ADDRESS SESSION MESSAGE`: for people. What comes from outside cannot steer the terminal. */
export function lineOf(event: SecurityEvent, stream: NodeJS.WriteStream): string {
  const { document, severity } = event;
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? printable(value) : '-');
  const vendor = Object.values(document.transmit_security)[0] ?? {};
  return [
    text(document['@timestamp']),
    paint(COLOURS[severity], severity.padEnd(13), stream),
    text(codeOf(event)),
    text(addressOf(document['source'])),
    text(vendor['session_id']),
    text(document.message),
  ].join(' ');
}

/** Activities that nobody has listed share a code: then it does not say which one it was. */
function codeOf({ code, document }: SecurityEvent): string {
  const { action } = document.event;
  return !action || `.${code}.`.includes(`.${action}.`) ? code : `${code} (${action})`;
}

function addressOf(source: unknown): unknown {
  const { ip, address } = (source ?? {}) as { ip?: unknown; address?: unknown };
  return ip ?? address;
}
