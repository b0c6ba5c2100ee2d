import type { AdminContext, InstallStep } from '../../../src/sink.ts';
import type { Credentials } from '../options.ts';
import { connectKibana, type Kibana } from './client.ts';
import { IMPORT, putObjects, removeObjects } from './object-steps.ts';
import { putRules, removeRules } from './rule-steps.ts';

type Steps = AsyncGenerator<InstallStep, void, undefined>;

/** Data view and dashboards, then the rules. Without an address they are left out, and that is said. */
export function installKibana(admin: AdminContext, credentials: Credentials | undefined, signal: AbortSignal): Steps {
  return atKibana(admin, credentials, signal, [putObjects, putRules]);
}

/** In the opposite order. */
export function uninstallKibana(admin: AdminContext, credentials: Credentials | undefined, signal: AbortSignal): Steps {
  return atKibana(admin, credentials, signal, [removeRules, removeObjects]);
}

async function* atKibana(
  admin: AdminContext,
  credentials: Credentials | undefined,
  signal: AbortSignal,
  parts: readonly ((kibana: Kibana, dryRun: boolean) => Steps)[],
): Steps {
  const { kibana: url, dryRun } = admin;
  if (url === undefined) return yield leftOut(dryRun);
  const kibana = connectKibana(url, credentials, admin, signal);
  try {
    for (const part of parts) yield* part(kibana, dryRun);
  } finally {
    await kibana.close();
  }
}

function leftOut(dryRun: boolean): InstallStep {
  const note = 'dashboards and rules are left out: they are in Kibana, whose address --kibana gives';
  return { request: `POST ${IMPORT}`, result: dryRun ? 'dry-run' : 'unchanged', note };
}
