/** YAML as Sigma's documents need it: maps, lists and scalars in blocks. */

type YamlScalar = string | number | boolean;
type YamlValue = YamlScalar | readonly YamlScalar[] | YamlMap;
export interface YamlMap {
  readonly [key: string]: YamlValue;
}

/** Several documents become one file. */
export function yamlFile(documents: readonly YamlMap[]): string {
  return documents.map((document) => `${linesOf(document, '').join('\n')}\n`).join('---\n');
}

function linesOf(map: YamlMap, indent: string): string[] {
  return Object.entries(map).flatMap(([key, value]) => {
    const name = `${indent}${scalar(key)}:`;
    const deeper = `${indent}  `;
    if (isList(value)) return [name, ...value.map((each) => `${deeper}- ${scalar(each)}`)];
    if (typeof value === 'object') return [name, ...linesOf(value, deeper)];
    return [`${name} ${scalar(value)}`];
  });
}

function isList(value: YamlValue): value is readonly YamlScalar[] {
  return Array.isArray(value);
}

/** What could be read as anything but this text stands in quotes. */
const PLAIN = /^[A-Za-z][\w.|/-]*(?: [A-Za-z][\w.|/-]*)*$/;
const WORDS = /^(?:true|false|yes|no|on|off|null|y|n)$/i;

function scalar(value: YamlScalar): string {
  if (typeof value !== 'string') return String(value);
  return PLAIN.test(value) && !WORDS.test(value) ? value : `'${value.replaceAll("'", "''")}'`;
}
