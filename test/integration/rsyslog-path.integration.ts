import test from 'node:test';
import { lacking } from './servers.ts';
import { syslogPath } from './syslog-path.ts';

const skip = await lacking('rsyslog');
if (skip) test('rsyslog, the whole path', { skip });
else syslogPath('rsyslog');
