import test from 'node:test';
import { lacking } from './servers.ts';
import { syslogContracts } from './syslog-contract.ts';

const skip = await lacking('syslog-ng');
if (skip) test('syslog-ng', { skip });
else syslogContracts('syslog-ng');
