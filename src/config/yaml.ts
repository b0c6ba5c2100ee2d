import { type Document, LineCounter, type ParsedNode, parseAllDocuments, visit } from 'yaml';

/** One way in which the text is not YAML, or not the YAML that a config is. */
interface SyntaxMistake {
  readonly offset: number;
  /** Never quotes the text, which may be a secret. */
  readonly message: string;
  /** Spoils one value and leaves the rest of the text as it is. */
  readonly local: boolean;
}

export interface ParsedYaml {
  readonly contents: ParsedNode | null;
  readonly lines: LineCounter;
  readonly mistakes: readonly SyntaxMistake[];
  /** Where the text stops being YAML: what seems to be missing or unknown behind it may only be hidden. */
  readonly doubtfulFrom: number;
}

const TAB = 'TAB_AS_INDENT';

/** Reads as much of the text as can be read. Never throws. */
export function parseYaml(text: string): ParsedYaml {
  const first = parse(text);
  if (!first.errors.some(({ code }) => code === TAB)) return described(first, []);
  // A space in place of each tab keeps all places.
  const tabs = [...text.matchAll(/^ *\t[ \t]*(?=[^\s#])/gm)].map((match) => match.index + match[0].indexOf('\t'));
  return described(parse(text.replace(/^[ \t]+/gm, (indent) => indent.replaceAll('\t', ' '))), tabs);
}

type Parsed = ReturnType<typeof parse>;

function parse(text: string) {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    logLevel: 'silent',
    prettyErrors: false,
    resolveKnownTags: false,
    stringKeys: true,
    uniqueKeys: false,
  });
  const [document, second]: readonly Document.Parsed[] = 'empty' in documents ? [] : documents;
  return { lines, document, second, errors: [...(document?.errors ?? []), ...(document?.warnings ?? [])] };
}

function described({ lines, document, second, errors }: Parsed, tabs: readonly number[]): ParsedYaml {
  const tabLines = tabs.map((offset) => lines.linePos(offset).line);
  const byTab = (offset: number) => tabLines.some((line) => Math.abs(line - lines.linePos(offset).line) <= 1);
  const mistakes = errors.map(({ code, message, pos: [offset] }) =>
    message.startsWith('Missing closing')
      ? { offset: openingQuote(document, offset), message: 'not YAML: this quote has no end', local: false }
      : { offset, message: SENTENCES[code] ?? `not YAML: ${message}`, local: LOCAL.has(code) },
  );
  const other = second && {
    offset: second.range[0],
    message: 'a second document begins here: a config is one document',
    local: true,
  };
  return {
    contents: document?.contents ?? null,
    lines,
    // How deep a tab was meant to indent is not known, so what lies behind the first one may stand in the wrong place.
    doubtfulFrom: Math.min(...tabs, ...mistakes.filter(({ local }) => !local).map(({ offset }) => offset)),
    mistakes: [
      ...tabs.map((offset) => ({ offset, message: 'not YAML: a tab in front; indent with spaces', local: false })),
      // What the parser makes of the lines around a tab is noise.
      ...mistakes.filter((mistake) => mistake.local || !byTab(mistake.offset)),
      ...(other ? [other] : []),
    ],
  };
}

/** The parser says where it found no closing quote, which is the end of the text. */
function openingQuote(document: Document.Parsed | undefined, end: number): number {
  let opening = end;
  visit(document?.contents ?? null, {
    Scalar: (_key, { type, range }) => {
      if (type?.startsWith('QUOTE') && range && range[0] <= end && range[1] >= end) opening = range[0];
    },
  });
  return opening;
}

const LOCAL: ReadonlySet<string> = new Set([
  'BAD_SCALAR_START',
  'BAD_DQ_ESCAPE',
  'TAG_RESOLVE_FAILED',
  'NON_STRING_KEY',
  'BAD_DIRECTIVE',
]);

/** Own words where the parser's would quote the text, or help little. */
const SENTENCES: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'not YAML: an alias (*) without a proper name; a text that begins with * or & is written in quotes',
  BAD_DIRECTIVE: 'not YAML: an unknown directive (a line that begins with %)',
  BAD_DQ_ESCAPE: 'not YAML: an unknown escape in "…"; use \' quotes, where a backslash is only a backslash',
  BAD_SCALAR_START: 'not YAML: a text that begins with @, `, % or another sign of YAML is written in quotes',
  NON_STRING_KEY: 'not YAML as it is used here: a key is a text',
  TAG_RESOLVE_FAILED: 'tags (!NAME) are not known here; a text that begins with ! is written in quotes',
  UNEXPECTED_TOKEN: 'not YAML: this cannot stand here; check quotes, brackets and indentation',
};
