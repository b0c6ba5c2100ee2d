import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { type Config, loadConfig } from '../config.ts';
import { salvageText } from '../log/damage.ts';
import { lockSpool, recoverSpool } from '../spool.ts';
import { Failure, printable } from '../terminal.ts';
import { decimal } from '../words.ts';
import { configOption } from './options.ts';
import { jsonLine, print, printOn, remark } from './print.ts';
import { newProgress } from './progress.ts';
import { openReader } from './status.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

export function spoolCommand(): Command {
  return new Command('spool')
    .description('looks for damage in the spool, and salvages what can be read')
    .addCommand(
      both('check', 'reads every page and its checksum; works while `run` is running and while it is not', check),
    )
    .addCommand(
      both('recover', 'puts all that can be read of a damaged spool into a new one; stop `run` first', recover),
    )
    .addHelpText('after', '\nExample:\n  mosaic-siem spool check');
}

function both(name: string, description: string, action: (options: Options) => Promise<void>): Command {
  return new Command(name)
    .description(description)
    .addOption(configOption())
    .option('--json', 'one object a line')
    .addHelpText('after', `\nExample:\n  mosaic-siem spool ${name} --config /etc/mosaic-siem/forwarder.yaml`)
    .action(action);
}

/** Exit status 1 where something is wrong. */
async function check(options: Options): Promise<void> {
  const { spool } = await loadConfig(options.config, sinks);
  const reader = openReader(spool);
  const progress = newProgress();
  let wrong = 0;
  let checked = { pages: 0, deadLetters: 0, sealed: 0 };
  try {
    for await (const { findings, done, total } of reader.check()) {
      checked = done;
      if (findings.length > 0) progress.clear();
      for (const { page, deadLetter, why } of findings) {
        wrong += 1;
        const row = { page: page ?? null, dead_letter: deadLetter ?? null, why };
        print(options.json ? jsonLine(row) : printable(why));
      }
      progress.show(done.pages + done.deadLetters, total, 'pages and dead letters');
    }
  } finally {
    progress.clear();
    await reader.close();
  }
  const { pages, deadLetters, sealed } = checked;
  if (sealed > 0) remark(`${decimal(sealed)} are encrypted with a key that the config does not give: not decrypted`);
  const read = `${decimal(pages)} pages and ${decimal(deadLetters)} dead letters were read`;
  const things = wrong === 1 ? '1 thing is' : `${decimal(wrong)} things are`;
  if (wrong > 0) throw new Failure(`${read}: ${things} wrong; see "When the spool is damaged" in docs/operations.md`);
  remark(`${read}: the spool is sound`);
}

async function recover(options: Options): Promise<void> {
  const config = await loadConfig(options.config, sinks);
  const { salvage, setAside } = recovered(config);
  if (options.json) {
    const { file, pages, damagedPages, deadLetters, deadLettersLost, sinks: moved, broken } = salvage ?? {};
    const saved = { damaged_file: file ?? null, pages, damaged_pages: damagedPages, dead_letters: deadLetters };
    const lost = { dead_letters_lost: deadLettersLost, sinks: moved, broken };
    return printOn(jsonLine({ ...saved, ...lost, set_aside: setAside.map(({ number }) => number) }));
  }
  if (salvage) printOn(printable(`the spool was salvaged: ${salvageText(salvage)}`));
  for (const { damaged } of setAside) printOn(printable(`${damaged}; what is left of it is set aside`));
  if (!salvage && setAside.length === 0) printOn('the spool is sound: nothing is to be done');
}

function recovered({ spool, ...config }: Config): ReturnType<typeof recoverSpool> {
  // The lock would make the folder.
  if (!existsSync(spool.path)) openReader(spool);
  try {
    const lock = lockSpool(spool.path);
    try {
      return recoverSpool({ ...spool, sinks: config.sinks.map(({ name }) => name) });
    } finally {
      lock.release();
    }
  } catch (error) {
    throw new Failure((error as Error).message, 1, error);
  }
}
