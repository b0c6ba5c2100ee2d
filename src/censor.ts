import { printable } from './terminal.ts';

/** The last defence: secrets become `***`, control and bidi characters are escaped. The secrets are asked for on each call. */
export function createCensor(secrets: () => readonly string[]): (text: string) => string {
  let known: readonly string[] = [];
  return (text) => {
    try {
      known = secrets();
    } catch {
      // What was known before still guards.
    }
    const longestFirst = known.filter((secret) => secret !== '').sort((one, other) => other.length - one.length);
    return printable(longestFirst.reduce((left, secret) => left.replaceAll(secret, '***'), text));
  };
}
