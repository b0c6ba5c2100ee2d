import { Command, CommanderError } from 'commander';
import { auditCommand } from './commands/audit.ts';
import { checkCommand } from './commands/check.ts';
import { connect } from './commands/connect.ts';
import { deadLettersCommand } from './commands/dead-letters.ts';
import { demoCommand } from './commands/demo.ts';
import { installCommand, uninstallCommand } from './commands/install.ts';
import { mapCommand } from './commands/map.ts';
import { replayCommand } from './commands/replay.ts';
import { runCommand } from './commands/run.ts';
import { schemaCommand } from './commands/schema.ts';
import { setupCommand } from './commands/setup.ts';
import { spoolCommand } from './commands/spool.ts';
import { statusCommand } from './commands/status.ts';
import { MissingKey } from './spool.ts';
import { Failure, printable } from './terminal.ts';
import { readVersion } from './version.ts';

/** Runs one command; sets the exit status: 0 done, 1 failed while working, 2 wrong command line, 78 the config is wrong. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('mosaic-siem')
    .description('Delivers Transmit Security Mosaic activities to every SIEM, losing nothing.')
    .version(readVersion())
    .option('--debug', 'show the stack trace of a failure')
    .addHelpText('after', '\nExample:\n  mosaic-siem demo');
  const commands = [
    runCommand(),
    checkCommand(connect),
    setupCommand(),
    installCommand(),
    uninstallCommand(),
    mapCommand(),
    statusCommand(),
    deadLettersCommand(),
    replayCommand(),
    auditCommand(),
    spoolCommand(),
    demoCommand(),
    schemaCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of allOf(program)) command.exitOverride().showHelpAfterError('(--help shows what is allowed)');
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error, program.opts<{ debug?: boolean }>().debug ?? false);
  }
}

function allOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allOf)];
}

/** Says it on stderr; gives the exit status. */
function report(error: unknown, debug: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { message, stack } = error as Error;
  const text = debug && stack ? stack : `mosaic-siem: ${message || String(error)}`;
  process.stderr.write(`${text.split('\n').map(printable).join('\n')}\n`);
  if (error instanceof MissingKey) return 78;
  return error instanceof Failure ? error.exitCode : 1;
}

if (import.meta.main) await main(process.argv);
