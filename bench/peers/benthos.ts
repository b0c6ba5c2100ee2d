import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { BATCH, CLIENT, type PeerKind, type World } from './peer.ts';

const VERSION = 'v4.76.0';
const MODULE = 'github.com/redpanda-data/benthos/v4';
const FOLDER = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'mosaic-siem-peers',
  `benthos-${VERSION}`,
);
const GO = process.env['GO'] ?? 'go';
const BINARY = process.env['BENTHOS'] ?? join(FOLDER, 'benthos');

/** The open core of Redpanda Connect (MIT): an HTTP client at each end, no buffer between them. */
export const BENTHOS: PeerKind = {
  name: `Benthos ${VERSION.slice(1)}`,
  prepare() {
    try {
      if (!existsSync(BINARY)) build();
      return undefined;
    } catch (error) {
      return `it could not be built with Go: ${(error as Error).message.split('\n')[0]}`;
    }
  },
  lacks: (sink, needsDisk) => {
    if (sink === 'elasticsearch') return 'its core has no output for it';
    return needsDisk ? 'its core keeps nothing on a disk' : undefined;
  },
  async make(world) {
    const folder = mkdtempSync(join(tmpdir(), 'peers-benthos-'));
    world.after(() => rmSync(folder, { recursive: true, force: true }));
    const config = join(folder, 'benthos.yaml');
    writeFileSync(config, JSON.stringify(configOf(world)));
    let child: ChildProcess | undefined;
    const end = async (signal: NodeJS.Signals) => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    };
    world.after(() => end('SIGKILL'));
    return {
      start() {
        child = spawn(BINARY, ['run', config], { stdio: 'ignore' });
      },
      kill: () => end('SIGKILL'),
      // It waits for what it holds, and a batch that is refused again and again would be waited for for ever.
      stop: () => end('SIGKILL'),
      setAside: async () => 0,
    };
  },
};

/** A program of our own that requires one version: what it is made of is then fixed. */
function build(): void {
  const source = join(FOLDER, 'source');
  mkdirSync(source, { recursive: true });
  const parts = ['io', 'pure'].map((part) => `_ "${MODULE}/public/components/${part}"`).join('\n');
  const main = `package main
import (
"context"
${parts}
"${MODULE}/public/service"
)
func main() { service.RunCLI(context.Background()) }
`;
  writeFileSync(join(source, 'main.go'), main);
  writeFileSync(join(source, 'go.mod'), `module peer\n\ngo 1.25\n\nrequire ${MODULE} ${VERSION}\n`);
  process.stderr.write(`building Benthos ${VERSION}, which takes some minutes\n`);
  const environment = { ...process.env, GOFLAGS: '-mod=mod -buildvcs=false', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' };
  execFileSync(GO, ['build', '-trimpath', '-o', BINARY, '.'], { cwd: source, env: environment, stdio: 'pipe' });
}

function configOf({ mosaic, hec }: World): unknown {
  return {
    http: { enabled: false },
    logger: { level: 'ERROR' },
    input: {
      http_client: {
        url: `${mosaic.baseUrl}/activities/collect?type=verify&stream_id=siem&batch_size=${BATCH}`,
        verb: 'POST',
        rate_limit: 'poll',
        timeout: '30s',
        drop_empty_bodies: true,
        oauth2: { enabled: true, client_key: CLIENT.id, client_secret: CLIENT.secret, token_url: mosaic.tokenUrl },
      },
      processors: [{ unarchive: { format: 'json_array' } }],
    },
    rate_limit_resources: [{ label: 'poll', local: { count: 10, interval: '1s' } }],
    pipeline: {
      processors: [{ mapping: 'root.event = this\nroot.sourcetype = "mosaic"\nroot.time = now().ts_unix()' }],
    },
    output: {
      http_client: {
        url: `${hec.url}/services/collector/event`,
        verb: 'POST',
        headers: { Authorization: `Splunk ${hec.token}`, 'Content-Type': 'application/json' },
        max_in_flight: 4,
        batching: { count: BATCH, period: '200ms', processors: [{ archive: { format: 'lines' } }] },
      },
    },
  };
}
