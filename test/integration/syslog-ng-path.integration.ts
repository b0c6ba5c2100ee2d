import test from 'node:test';
import { lacking } from './servers.ts';
import { syslogPath } from './syslog-path.ts';

const skip = await lacking('syslog-ng');
if (skip) test('syslog-ng, the whole path', { skip });
else syslogPath('syslog-ng');
