/**
 * Loaded into the daemon with `--import`. It writes down where on its path the process is, so that a kill at any moment
 * can be told afterwards, and ends the process as kill -9 does when it comes by a named point for the n-th time.
 * KILL_TRAIL: the file for the first. KILL_AT: `POINT:N` for the second.
 */
import { subscribe } from 'node:diagnostics_channel';
import fs, { openSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { DatabaseSync, StatementSync } from 'node:sqlite';

const WIDTH = 32;
const [wanted = '', passage = '1'] = (process.env['KILL_AT'] ?? '').split(':');
const trail = openSync(process.env['KILL_TRAIL'] ?? '/dev/null', 'w');
let left = Number(passage);

function pass(point: string): void {
  if (point !== wanted) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

/** Slots: what the database does, what the deliveries do, what the call of Mosaic does. What is written survives the process. */
function mark(slot: 0 | 1 | 2, text: string): void {
  writeSync(trail, text.padEnd(WIDTH), slot * WIDTH);
}

/** The first that fits says what a transaction is for. */
const MEANINGS: readonly (readonly [start: string, kind: string, point: string])[] = [
  ['UPDATE state SET running = 1', 'start', 'inside'],
  ['UPDATE state SET running = 0', 'close', 'inside'],
  ['INSERT INTO pages', 'append', 'page row'],
  ['INSERT INTO bodies', 'append', 'body row'],
  ['INSERT INTO folded', 'trim', 'inside'],
  ['INSERT INTO gaps', 'gap', 'inside'],
  ['UPDATE sinks SET page', 'commit', 'inside'],
  ['INSERT INTO dead_letters', 'commit', 'burial'],
];

let transaction = '';
const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql: string): void {
  if (sql === 'COMMIT') pass(`${transaction} before commit`);
  if (sql === 'COMMIT') mark(0, `${transaction} committing`);
  exec.call(this, sql);
  if (sql === 'SAVEPOINT copy') pass('salvage copying');
  if (sql === 'COMMIT') {
    pass(`${transaction} after commit`);
    if (transaction === 'commit') mark(1, '');
  }
  if (sql === 'COMMIT' || sql === 'ROLLBACK') mark(0, '');
  if (sql === 'BEGIN IMMEDIATE') transaction = 'other';
};

const { run } = StatementSync.prototype;
StatementSync.prototype.run = function (this: StatementSync, ...values: unknown[]) {
  const result = Reflect.apply(run, this, values) as ReturnType<typeof run>;
  const meaning = MEANINGS.find(([start]) => this.sourceSQL.startsWith(start));
  if (!meaning) return result;
  if (transaction === 'other' || transaction === '') transaction = meaning[1];
  mark(0, transaction);
  if (transaction === meaning[1]) pass(`${transaction} ${meaning[2]}`);
  return result;
} as typeof run;

/** A spool that is damaged is copied row by row, and the copy takes its place in steps. */
const { renameSync, rmSync } = fs;
fs.renameSync = (from, to) => {
  mark(0, 'salvage');
  pass('salvage rename');
  renameSync(from, to);
};
fs.rmSync = (path, options) => {
  if (/spool\.db-(wal|shm)$/.test(String(path))) pass('salvage remove');
  rmSync(path, options);
};
syncBuiltinESMExports();

/** What undici tells, of any copy of it in the process. */
type Told = { readonly request: { readonly path: string } };
const STEPS = {
  'undici:client:sendHeaders': 'sent',
  'undici:request:headers': 'begins',
  'undici:request:trailers': 'here',
};

for (const [channel, step] of Object.entries(STEPS)) {
  subscribe(channel, (message) => {
    const { path } = (message as Told).request;
    if (path.includes('/collect?')) {
      mark(2, step);
      pass(`answer ${step}`);
    } else if (/^\/(services\/collector\/event|_bulk)/.test(path)) {
      mark(1, step);
      pass(`delivery ${step}`);
    }
  });
}

const { write } = Socket.prototype;
Socket.prototype.write = function (this: Socket, ...parameters: unknown[]) {
  const result = Reflect.apply(write, this, parameters) as boolean;
  if (`${this.remotePort}` === process.env['KILL_SYSLOG']) {
    mark(1, 'here');
    pass('delivery written to syslog');
  }
  return result;
} as typeof write;
