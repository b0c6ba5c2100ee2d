import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { startApp } from '../app.ts';
import { loadConfig } from '../config.ts';
import { readVersion } from '../version.ts';
import { configOption } from './options.ts';

export function runCommand(): Command {
  return new Command('run')
    .description('pulls activities and delivers them, until SIGTERM or SIGINT')
    .addOption(configOption())
    .addHelpText('after', '\nExample:\n  mosaic-siem run --config /etc/mosaic-siem/forwarder.yaml')
    .action(async (options: { config?: string }) => {
      const app = await startApp(await loadConfig(options.config, sinks), readVersion());
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => app.stop());
      for (const signal of ['SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => app.reopen());
      await app.ended;
      process.exit(0);
    });
}
