import type { SinkDefinition } from '../src/sink.ts';
import console from './console/index.ts';
import elasticsearch from './elasticsearch/index.ts';
import file from './file/index.ts';
import splunkHec from './splunk_hec/index.ts';
import syslog from './syslog/index.ts';

/** Every kind of sink that the config's `type` can name. A new kind is one folder and one line here. */
export const sinks: readonly SinkDefinition<unknown>[] = [splunkHec, elasticsearch, syslog, file, console];
