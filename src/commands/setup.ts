import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { createCensor } from '../censor.ts';
import { loadConfig } from '../config.ts';
import { mosaicOptions } from '../loops.ts';
import { mosaicClient } from '../mosaic.ts';
import { Failure, paint } from '../terminal.ts';
import { configOption } from './options.ts';
import { jsonLine, printOn } from './print.ts';

export function setupCommand(): Command {
  return new Command('setup')
    .description('starts collecting and creates the configured streams in Mosaic; safe to repeat')
    .addOption(configOption())
    .option('--json', 'one object a line')
    .addHelpText('after', '\nExample:\n  mosaic-siem setup --config forwarder.yaml')
    .action(async (options: { config?: string; json?: boolean }) => {
      const config = await loadConfig(options.config, sinks);
      const client = mosaicClient(mosaicOptions(config));
      const safe = createCensor(config.secrets);
      let failed = 0;
      try {
        for await (const step of client.setup(config.mosaic.streams, new AbortController().signal)) {
          const good = step.result === 'created' || step.result === 'exists';
          if (!good) failed += 1;
          const text = safe(`${step.step}  ${step.detail}`.trimEnd());
          const row = { ...step, detail: safe(step.detail) };
          printOn(options.json ? jsonLine(row) : `${paint(good ? 'green' : 'red', step.result.padEnd(8))} ${text}`);
        }
      } finally {
        await client.close();
      }
      if (failed > 0)
        throw new Failure(`${failed} of the steps above failed; what succeeded stays, and setup may be repeated`);
    });
}
