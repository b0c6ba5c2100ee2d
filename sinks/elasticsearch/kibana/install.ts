import type { AdminContext, InstallStep } from '../../../src/sink.ts';
import type { Credentials } from '../options.ts';
import { connectKibana } from './client.ts';
import { IMPORT, putObjects, removeObjects } from './object-steps.ts';
import { putRules, removeRules } from './rule-steps.ts';

/** Data view and dashboards, then the rules. Without an address they are left out, and that is said. */
export async function* installKibana(
  admin: AdminContext,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): AsyncGenerator<InstallStep, void, undefined> {
  const { kibana: url, dryRun } = admin;
  if (url === undefined) return yield leftOut(dryRun);
  const kibana = connectKibana(url, credentials, admin, signal);
  try {
    yield* putObjects(kibana, dryRun);
    yield* putRules(kibana, dryRun);
  } finally {
    await kibana.close();
  }
}

/** In the opposite order. */
export async function* uninstallKibana(
  admin: AdminContext,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): AsyncGenerator<InstallStep, void, undefined> {
  const { kibana: url, dryRun } = admin;
  if (url === undefined) return yield leftOut(dryRun);
  const kibana = connectKibana(url, credentials, admin, signal);
  try {
    yield* removeRules(kibana, dryRun);
    yield* removeObjects(kibana, dryRun);
  } finally {
    await kibana.close();
  }
}

function leftOut(dryRun: boolean): InstallStep {
  const note = 'dashboards and rules are left out: they are in Kibana, whose address --kibana gives';
  return { request: `POST ${IMPORT}`, result: dryRun ? 'dry-run' : 'unchanged', note };
}
