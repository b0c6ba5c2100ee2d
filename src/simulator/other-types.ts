import type { StreamType } from '../types.ts';
import { newAddress, newDevice } from './applicants.ts';
import type { Random } from './random.ts';
import { type Script, type Step, verification } from './verification.ts';

/** What the subjects of each stream type do. */
export const SCRIPTS: Readonly<Record<StreamType, (random: Random, forgedShare?: number) => Script>> = {
  verify: verification,
  cis: (random) => visit(random, login(random)),
  admin: (random) => visit(random, administration(random)),
  risk: (random) => visit(random, [recommendation(random)]),
};

function visit(random: Random, steps: Step[]): Script {
  return { device: newDevice(random), ip: newAddress(random), session: false, steps };
}

function login(random: Random): Step[] {
  if (random.chance(0.1)) return [{ activity: 'authentication_started' }, { activity: 'user_failed_login' }];
  const steps: Step[] = [{ activity: 'authentication_started' }, { activity: 'authentication_succeeded' }];
  steps.push({ activity: 'user_login' });
  if (random.chance(0.1)) steps.push({ activity: 'update_user', parameters: change('status', 'Pending', 'Active') });
  if (random.chance(0.1)) steps.push({ activity: 'webauthn_registration' });
  steps.push({ activity: 'user_logout' });
  return steps;
}

function administration(random: Random): Step[] {
  const parameters = change('status', 'Active', 'Suspended');
  return [{ activity: 'admin_login' }, ...(random.chance(0.3) ? [{ activity: 'update_user', parameters }] : [])];
}

function recommendation(random: Random): Step {
  const value = random.pick(['allow', 'allow', 'allow', 'trust', 'challenge', 'deny']);
  const parameters = {
    recommendation: value,
    riskScore: random.between(0, 100),
    reasons: value === 'deny' ? ['BEHAVIOR_BOT', 'IP_RISKY_REPUTATION'] : [],
    actionType: random.pick(['login', 'register', 'transaction']),
    signals: { device: { emulated: value === 'deny' } },
  };
  return { activity: 'risk_recommendation', parameters };
}

function change(field: string, prev: string, current: string): Record<string, unknown> {
  return { [field]: { prev, current } };
}
