import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { startApp } from '../app.ts';
import { loadConfig } from '../config.ts';
import { readVersion } from '../version.ts';
import { configOption } from './options.ts';
import { remarkStopped, takeSignals } from './signals.ts';

export function runCommand(): Command {
  return new Command('run')
    .description('pulls activities and delivers them, until SIGTERM or SIGINT')
    .addOption(configOption())
    .addHelpText('after', '\nExample:\n  mosaic-siem run --config /etc/mosaic-siem/forwarder.yaml')
    .action(async (options: { config?: string }) => {
      const signals = takeSignals(['SIGTERM', 'SIGINT'], ['SIGHUP', 'SIGUSR2']);
      const config = await loadConfig(options.config, sinks);
      if (signals.stopped) {
        remarkStopped();
        process.exit(0);
      }
      const app = await startApp(config, readVersion());
      signals.passTo(app);
      await app.ended;
      process.exit(0);
    });
}
