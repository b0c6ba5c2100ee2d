import test from 'node:test';
import { lacking } from './servers.ts';
import { syslogContracts } from './syslog-contract.ts';

const skip = await lacking('rsyslog');
if (skip) test('rsyslog', { skip });
else syslogContracts('rsyslog');
