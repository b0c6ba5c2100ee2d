import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { configSchema } from '../config/json-schema.ts';
import { print } from './print.ts';

export function schemaCommand(): Command {
  return new Command('schema')
    .description('prints the JSON Schema of the config, for editors')
    .addHelpText('after', '\nExample:\n  mosaic-siem schema > schema.json')
    .action(() => print(JSON.stringify(configSchema(sinks), null, 2)));
}
