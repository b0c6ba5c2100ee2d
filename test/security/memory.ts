/** What the system says of a process's memory: not asked of the process itself. */
import { readFileSync } from 'node:fs';

const MIB = 1024;

/** The most that it ever had in memory at once, in MiB. */
export function peakMiB(pid: number): number {
  return kibOf(pid, 'VmHWM') / MIB;
}

export function residentMiB(pid: number): number {
  return kibOf(pid, 'VmRSS') / MIB;
}

function kibOf(pid: number, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (!found) throw new Error(`/proc/${pid}/status does not say ${name}`);
  return Number(found[1]);
}
