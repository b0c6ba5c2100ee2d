import { type Script, verification } from '../verification.ts';
import { HOUR, type Stage } from './stage.ts';

/** The ordinary applicants of a while. */
export interface Background {
  /** So long before the end. */
  readonly hours: number;
  /** Applicants an hour by day (06:00 to 20:00 UTC) and by night. */
  readonly perHour: readonly [day: number, night: number];
  /** No applicant is rejected or denied. */
  readonly unblemished?: boolean;
  /** All of them at the application that attacks are on; else at two. */
  readonly oneApplication?: boolean;
  /** Nobody comes in, and what was under way is not heard of. Epoch ms. */
  readonly silent?: (end: number) => readonly (readonly [from: number, to: number])[];
}

/** Ordinary applicants, none with forged papers. They come evenly enough that no half hour of a day is empty. */
export function playApplicants(stage: Stage, { hours, perHour, unblemished, oneApplication }: Background): void {
  const [day, night] = perHour;
  for (let slot = stage.end - hours * HOUR; slot < stage.end; ) {
    const hour = new Date(slot).getUTCHours();
    const length = HOUR / (hour >= 6 && hour < 20 ? day : night);
    const { session, device, ip, steps } = applicant(stage, unblemished ?? false);
    const at = slot + stage.random.next() * length * 0.8;
    stage.play({ at, session, device, ip, steps, ...(oneApplication && { application: stage.application }) });
    slot += length;
  }
}

function applicant({ random }: Stage, unblemished: boolean): Script {
  for (;;) {
    const script = verification(random, 0);
    const blemished = script.steps.some(
      ({ activity, parameters }) =>
        activity === 'deny_by_restriction_criterion' || parameters?.['result'] === 'Rejected',
    );
    if (!unblemished || !blemished) return script;
  }
}
