/** What a user sets: each number and each list of the searches is a macro of its own, with the number of the detection as default. */
import type { Field, Rule } from '../../content/detection.ts';
import { text } from './filter.ts';

export interface Macro {
  readonly name: string;
  readonly definition: string;
  readonly description: string;
}

export const INDEX = 'transmit_idv_index';
export const SOURCETYPE = 'transmit_idv_sourcetype';
export const ALL_SOURCETYPES = 'transmit_idv_all_sourcetypes';
export const LOG_INDEX = 'transmit_idv_log_index';
export const ALLOWED_ADDRESSES = 'transmit_idv_allowed_addresses';

/** Where the events are, as the options of the sink say it. */
export interface Place {
  readonly index: string;
  readonly sourcetype: string;
}

/** Where they are without other options: the index of the README, and the source type of the sink. */
export const DEFAULT_PLACE: Place = { index: 'idv', sourcetype: 'transmitsecurity:mosaic:idv' };

export function placeMacros({ index, sourcetype }: Place): readonly Macro[] {
  const all = sourcetype === DEFAULT_PLACE.sourcetype ? 'transmitsecurity:mosaic:*' : sourcetype;
  return [
    { name: INDEX, definition: `index=${index}`, description: 'The index that the forwarder writes to.' },
    {
      name: SOURCETYPE,
      definition: `sourcetype="${sourcetype}"`,
      description: 'The source type of identity-verification events.',
    },
    {
      name: ALL_SOURCETYPES,
      definition: `sourcetype="${all}"`,
      description: 'The source types of all streams; the panels about the feed count them.',
    },
    {
      name: LOG_INDEX,
      definition: 'index=main',
      description: "The index of the forwarder's own log, where its log.outputs has one of type splunk_hec.",
    },
    {
      name: ALLOWED_ADDRESSES,
      definition: 'false()',
      description:
        'A condition: which addresses no count by address concerns. Conditions as cidrmatch("NETWORK",\'source.ip\') or in(\'source.ip\',"ADDRESS"), with OR between.',
    },
  ];
}

/** Gives the macros of a rule their names, and keeps them. */
export class RuleMacros {
  readonly made = new Map<string, Macro>();
  readonly #id: string;
  readonly #rule: Rule;

  constructor(id: string, rule: Rule) {
    this.#id = id;
    this.#rule = rule;
  }

  number(what: string, value: number, description: string): string {
    const part = this.#rule.part === '' ? '' : `${this.#rule.part}_`;
    return this.#keep({ name: `${this.#prefix}${part}${what}`, definition: String(value), description });
  }

  /** One for all rules of a detection. */
  list(field: Field, values: readonly string[]): string {
    const name = `${this.#prefix}${field.replace(/^transmit_security[.]\w+[.]/, '').replaceAll('.', '_')}s`;
    const description = `The values of ${field} that are as they should be, in quotes and with commas between.`;
    return this.#keep({ name, definition: values.map(text).join(','), description });
  }

  get #prefix(): string {
    return `transmit_idv_${this.#id.toLowerCase()}_`;
  }

  #keep(macro: Macro): string {
    this.made.set(macro.name, { ...macro, description: `${this.#id}: ${macro.description}` });
    return `\`${macro.name}\``;
  }
}
