import type { Salvage } from '../types.ts';
import { decimal } from '../words.ts';

const SHOWN = 20;

/** What a salvage has made of a damaged spool. */
export function salvageText({
  file,
  pages,
  damagedPages,
  deadLetters,
  deadLettersLost,
  sinks,
  broken,
}: Salvage): string {
  const numbers = `${damagedPages.slice(0, SHOWN).join(', ')}${damagedPages.length > SHOWN ? ', …' : ''}`;
  const said = [
    `${decimal(pages)} pages and ${decimal(deadLetters)} dead letters are saved`,
    damagedPages.length === 0
      ? 'no page is known to be lost'
      : `the bytes of these pages are lost: ${numbers} (${decimal(damagedPages.length)} in all)`,
    ...(deadLettersLost > 0 ? [`${decimal(deadLettersLost)} dead letters are lost`] : []),
    ...(sinks.length > 0
      ? [`sinks that go on where the books end, or begin at the oldest page: ${sinks.join(', ')}`]
      : []),
    ...(broken.length > 0 ? [`tables of which something could not be read: ${broken.join(', ')}`] : []),
  ];
  return `${said.join('; ')}. The damaged file is kept as ${file}`;
}

export function damageText({ page, sink, reason }: { page: number; sink: string; reason: string }): string {
  const why = reason.replace(/^page \d+ of the spool is damaged: /, '');
  return `page ${page} of the spool is damaged: ${why}; what it held cannot be sent to sink ${sink}`;
}
