import { type Dropped, isObject, snakeCase } from './activity.ts';
import { FAILED_CREATION, type StreamMapping } from './mapping.ts';
import { isPair, plainName, redactUrl, scrub } from './redact.ts';

/** Makes `event.original`: what the document leaves out is left out here too. */
export interface OriginalWriter {
  /** The text as received where nothing had to go. */
  activity(activity: Readonly<Record<string, unknown>>, raw: () => string): string;
  /** Of a text that cannot be read nothing can be taken out: undefined where something might have to go. */
  unreadable(raw: () => string): string | undefined;
}

export function originalWriter(mapping: StreamMapping, dropped: Dropped, redactUrls: boolean): OriginalWriter {
  const policy = { sensitive: mapping.sensitive, pairs: mapping.pairs, redactUrls };
  const mayHide = mapping.sensitive || mapping.pairs || dropped.allOther || dropped.names.size > 0;
  return {
    activity: (activity, raw) => {
      let touched = false;
      const touch = () => {
        touched = true;
      };
      const copy = members(activity, { mapping, dropped, policy, touch });
      return touched ? JSON.stringify(copy) : raw();
    },
    unreadable: (raw) => (mayHide ? undefined : String(scrub(raw(), policy, () => undefined))),
  };
}

interface Cleaning {
  readonly mapping: StreamMapping;
  readonly dropped: Dropped;
  readonly policy: Parameters<typeof scrub>[1];
  readonly touch: () => void;
}

function members(activity: Readonly<Record<string, unknown>>, cleaning: Cleaning): Record<string, unknown> {
  const { mapping, policy, touch } = cleaning;
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, value] of Object.entries(activity)) {
    const name = snakeCase(key);
    if (name === 'additional_params' && isObject(value)) copy[key] = members(value, cleaning);
    else if (isLeftOut(name, value, cleaning)) touch();
    else if (name === 'redirect_url' && typeof value === 'string' && policy.redactUrls && mapping.name === 'idv') {
      copy[key] = redactUrl(value);
      if (copy[key] !== value) touch();
    } else {
      const isPlain = Object.hasOwn(mapping.parameters, name) && typeof value !== 'object';
      const isText = isPlain && name !== 'error_description';
      copy[key] = isText ? value : (scrub({ [key]: value }, policy, touch) as Record<string, unknown>)[key];
    }
  }
  return copy;
}

function isLeftOut(name: string, value: unknown, { mapping, dropped }: Cleaning): boolean {
  if (dropped.names.has(name)) return true;
  if (dropped.allOther && !Object.hasOwn(mapping.parameters, name)) return true;
  if (!mapping.pairs) return false;
  const isState = name === 'status' && isObject(value) && Object.values(value).every((s) => typeof s === 'string');
  return (isPair(value) && !isState) || (mapping.name === 'cis' && FAILED_CREATION.keys.has(plainName(name)));
}
