/**
 * Loaded into the daemon with `--import`: its wall clock is so many ms ahead as the file CLOCK_SHIFT says, read anew every
 * 50 ms. The monotonic clock goes on as ever, as on a machine whose time is set.
 */
import { readFileSync } from 'node:fs';

const file = process.env['CLOCK_SHIFT'] ?? '';
const RealDate = Date;
let shift = 0;
read();
setInterval(read, 50).unref();

function read(): void {
  try {
    shift = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    shift = 0;
  }
}

class ShiftedDate extends RealDate {
  constructor(...parameters: readonly unknown[]) {
    if (parameters.length === 0) super(RealDate.now() + shift);
    else super(...(parameters as ConstructorParameters<typeof RealDate>));
  }

  static override now(): number {
    return RealDate.now() + shift;
  }
}

globalThis.Date = ShiftedDate as unknown as DateConstructor;
