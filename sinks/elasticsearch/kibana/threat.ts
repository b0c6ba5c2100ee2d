import type { Technique } from '../../content/detection.ts';

/** Kibana wants the tactic of each technique. By the technique's id, without the part behind the dot: MITRE ATT&CK 19. */
const TACTICS: Readonly<
  Record<string, { readonly name: string; readonly tactic: readonly [id: string, name: string] }>
> = {
  T1070: { name: 'Indicator Removal', tactic: ['TA0005', 'Stealth'] },
  T1585: { name: 'Establish Accounts', tactic: ['TA0042', 'Resource Development'] },
  T1684: { name: 'Social Engineering', tactic: ['TA0005', 'Stealth'] },
};

export interface Threat {
  readonly framework: 'MITRE ATT&CK';
  readonly tactic: Named;
  readonly technique: readonly (Named & { readonly subtechnique: readonly Named[] })[];
}
interface Named {
  readonly id: string;
  readonly name: string;
  readonly reference: string;
}

/** Of ATT&CK alone: Kibana knows no other framework. */
export function threatsOf(related: readonly Technique[]): readonly Threat[] {
  return related.filter(isAttack).map(({ id, name }) => {
    const [root = '', sub] = id.split('.');
    const known = TACTICS[root];
    if (!known) throw new Error(`no tactic is known for ${id}`);
    const [tactic, tacticName] = known.tactic;
    const technique = { ...named('techniques', root, known.name), subtechnique: [] };
    return {
      framework: 'MITRE ATT&CK',
      tactic: named('tactics', tactic, tacticName),
      technique: [sub ? { ...technique, subtechnique: [named('techniques', id, name)] } : technique],
    };
  });
}

/** The others, in words. */
export function otherFrameworks(related: readonly Technique[]): readonly string[] {
  return related.filter((each) => !isAttack(each)).map(({ framework, id, name }) => `${framework}: ${id} ${name}`);
}

function isAttack({ framework }: Technique): boolean {
  return framework === 'MITRE ATT&CK';
}

function named(kind: 'techniques' | 'tactics', id: string, name: string): Named {
  return { id, name, reference: `https://attack.mitre.org/${kind}/${id.replace('.', '/')}/` };
}
