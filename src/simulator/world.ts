import type { StreamName } from '../types.ts';
import { type SimulatedElasticsearch, startElasticsearch } from './elasticsearch.ts';
import { type Hec, startHec } from './hec.ts';
import { type SimulatedMosaic, startMosaic } from './mosaic.ts';
import { type SyslogReceiver, startSyslog } from './syslog.ts';

/** A Mosaic and one SIEM of each kind. They count what they hold and keep no documents, so they may run for days. */
export interface World {
  readonly mosaic: SimulatedMosaic;
  readonly splunk: Hec;
  readonly elastic: SimulatedElasticsearch;
  readonly soc: SyslogReceiver;
  close(): Promise<void>;
}

export async function startWorld(stream: StreamName, apiKey: string): Promise<World> {
  const mosaic = await startMosaic({ streams: [stream], clientId: 'demo', keep: false });
  const splunk = await startHec({ acknowledgement: true, keep: false, dials: { ackDelayMs: 200 } });
  const elastic = await startElasticsearch({ apiKey, keep: false });
  const soc = await startSyslog({ protocol: 'tcp', keep: false });
  return {
    mosaic,
    splunk,
    elastic,
    soc,
    close: async () => {
      await Promise.all([mosaic, splunk, elastic, soc].map((each) => each.close()));
    },
  };
}
