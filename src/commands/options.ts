import { Option } from 'commander';

/** `-c, --config FILE`, the same for every command that needs one. */
export function configOption(): Option {
  return new Option('-c, --config <file>', 'default: ./forwarder.yaml, then /etc/mosaic-siem/forwarder.yaml');
}
