import { DatabaseSync, StatementSync } from 'node:sqlite';

const DISK_FULL = 13;

/** What SQLite throws when a write finds no room. */
export function diskFull(): Error {
  return Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: DISK_FULL });
}

/**
 * Does the work, and calls `act` just before its n-th statement that may write (the first is 0), which does not run where `act`
 * throws. `met` tells whether there were so many.
 */
export async function atStatement<T>(
  at: number,
  act: () => void,
  work: () => Promise<T>,
): Promise<{ met: boolean; result?: T; error?: unknown }> {
  let [count, met] = [0, false];
  const watch = () => {
    if (count++ !== at) return;
    met = true;
    act();
  };
  const { exec } = DatabaseSync.prototype;
  const { run, get } = StatementSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    watch();
    exec.call(this, sql);
  };
  // Their types have overloads, which a function expression cannot meet.
  const watched = {
    run(this: StatementSync, ...values: Parameters<typeof run>) {
      watch();
      return run.apply(this, values);
    },
    get(this: StatementSync, ...values: Parameters<typeof get>) {
      if (/^\s*(DELETE|INSERT|UPDATE)/i.test(this.sourceSQL)) watch();
      return get.apply(this, values);
    },
  };
  Object.assign(StatementSync.prototype, watched);
  try {
    return { result: await work(), met };
  } catch (error) {
    return { error, met };
  } finally {
    Object.assign(DatabaseSync.prototype, { exec });
    Object.assign(StatementSync.prototype, { run, get });
  }
}
