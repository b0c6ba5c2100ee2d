import { newDaemon } from '../../test/fixtures/process.ts';
import { API_KEY, BATCH, CLIENT, type PeerKind, type World } from './peer.ts';

/** The forwarder of this project, as a user runs it. */
export const FORWARDER: PeerKind = {
  name: 'Mosaic SIEM Forwarder',
  prepare: () => undefined,
  lacks: () => undefined,
  async make(world) {
    const daemon = await newDaemon(world, ({ spool, port }) => yaml(world, spool, port), world.folder);
    return {
      start: () => daemon.start(),
      kill: () => daemon.kill(),
      async stop() {
        if (!daemon.running) return;
        daemon.signal('SIGTERM');
        await daemon.ended();
      },
      async setAside() {
        const { stdout } = await daemon.run('dead-letters', 'list', '--json');
        return stdout.split('\n').filter((line) => line !== '').length;
      },
    };
  },
};

function yaml({ mosaic, hec, elasticsearch, sink }: World, spool: string, port: number): string {
  const sinks = {
    hec: `{ type: splunk_hec, url: "${hec.url}", token: "${hec.token}", batch: { max_events: ${BATCH} } }`,
    elasticsearch: `{ type: elasticsearch, url: "${elasticsearch.url}", api_key: "${API_KEY}", batch: { max_events: ${BATCH} } }`,
  };
  return `mosaic:
  base_url: ${mosaic.baseUrl}
  client_id: ${CLIENT.id}
  client_secret: ${CLIENT.secret}
  max_answer_size: 1MiB
  streams: [{ type: verify, id: siem, batch_size: ${BATCH}, poll_interval: 500ms }]
spool: { path: "${spool}" }
status: { listen: "127.0.0.1:${port}" }
sinks:
  siem: ${sinks[sink]}
`;
}
