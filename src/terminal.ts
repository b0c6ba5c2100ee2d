import { styleText } from 'node:util';

/** What a command throws to end with a sentence and an exit status: 1 failed, 2 wrong command line, 78 the config is wrong. */
export class Failure extends Error {
  readonly exitCode: 1 | 2 | 78;
  constructor(message: string, exitCode: 1 | 2 | 78 = 1, cause?: unknown) {
    super(message, { cause });
    this.name = 'Failure';
    this.exitCode = exitCode;
  }
}

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** Text from outside, safe on a terminal: control and bidi characters are written as \u{…}. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

const PLAIN = /^[ -~]*$/;
const INVISIBLE = /[\u007f-\u009f\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** JSON that says the same, with nothing in it that a terminal or a reader of lines acts upon. C0 cannot occur raw in it. */
export function safeJson(json: string): string {
  if (PLAIN.test(json)) return json;
  const spellOut = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return json.replace(INVISIBLE, (character) => character.split('').map(spellOut).join(''));
}

/** Colours only on a terminal, and never with NO_COLOR. */
export function paint(
  format: Parameters<typeof styleText>[0],
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  const plain = !stream.isTTY || Boolean(process.env['NO_COLOR']);
  return plain ? text : styleText(format, text, { validateStream: false });
}
