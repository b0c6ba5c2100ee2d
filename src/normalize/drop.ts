import { type Dropped, isObject, snakeCase } from './activity.ts';
import { STREAM_MAPPINGS, type StreamMapping, VENDOR_FIELD_TYPES } from './mapping.ts';

/** What `drop` means for one stream type. */
export interface Drop extends Dropped {
  /** Fields that are made by no single parameter: taken out of the finished document. */
  readonly fields: readonly string[];
}

/** Without these a document is no event. */
const NEEDED =
  /^(@timestamp|message|tags|ecs|event|transmit_security(\.\w+)?|activity|timestamp)$|^ecs\.|^event\.(id|kind|code|action|severity|created|module|dataset|provider|hash)$|\.(severity|spool_ref|activity)$/;

const OTHER_FIELDS = new Set(
  `event.category event.type event.outcome event.reason event.original log log.level observer observer.vendor
   observer.product observer.type error error.type error.message`.split(/\s+/),
);

/** Whether a name in `drop` may never be honoured. */
export function isNeeded(name: string): boolean {
  return NEEDED.test(name.replace(/\.\*$/, ''));
}

/** Whether a name in `drop` can be honoured: an unlisted name without dots is taken as a parameter of any activity. */
export function isDroppable(name: string): boolean {
  const bare = name.replace(/\.\*$/, '');
  if (NEEDED.test(bare)) return false;
  if (!bare.includes('.') || OTHER_FIELDS.has(bare) || bare in VENDOR_FIELD_TYPES) return true;
  return Object.values(STREAM_MAPPINGS).some((mapping) => {
    const names = parametersOf(mapping, bare);
    return names.length > 0 || otherParameter(mapping, bare) !== undefined || vendorName(mapping, bare) in PAIR_FIELDS;
  });
}

/** The fields that can be dropped, for whoever has misspelt one. */
export function droppableFields(): readonly string[] {
  const parameters = Object.values(STREAM_MAPPINGS).flatMap((mapping) => Object.values(mapping.parameters));
  const fields = [...parameters.flatMap(({ ecs = [] }) => ecs), ...OTHER_FIELDS, ...Object.keys(VENDOR_FIELD_TYPES)];
  return [...new Set(fields)].filter(isDroppable);
}

const PAIR_FIELDS: Readonly<Record<string, true>> = { changed_fields: true, status: true, supplied_fields: true };

export function resolveDrop(mapping: StreamMapping, drop: readonly string[]): Drop {
  const names = new Set<string>();
  const fields: string[] = [];
  let allOther = false;
  for (const name of drop.map((text) => text.replace(/\.\*$/, '')).filter((text) => !NEEDED.test(text))) {
    const parameters = parametersOf(mapping, name);
    for (const parameter of parameters) names.add(parameter);
    const other = otherParameter(mapping, name);
    if (other === '') allOther = true;
    else if (other !== undefined) names.add(other);
    else if (parameters.length === 0 && !name.includes('.')) names.add(snakeCase(name));
    fields.push(name, `transmit_security.${mapping.name}.${vendorName(mapping, name)}`);
  }
  // In a verification the user id is the session id.
  if (mapping.subject === 'session' && names.has('session_id')) names.add('user_id');
  return { names, allOther, fields };
}

/** The parameters that a field is made from, or that a vendor name means, in either spelling. */
function parametersOf(mapping: StreamMapping, name: string): readonly string[] {
  const vendor = vendorName(mapping, name);
  return Object.entries(mapping.parameters)
    .filter(([parameter, { copy, ecs = [], vendor: made = [] }]) => {
      if (NEEDED.test(parameter)) return false;
      if (!vendor.includes('.') && parameter === snakeCase(vendor)) return true;
      return [copy ?? '', ...made].some((field) => within(field, vendor)) || ecs.some((field) => within(field, name));
    })
    .map(([parameter]) => parameter);
}

function within(field: string, name: string): boolean {
  return field === name || field.startsWith(`${name}.`);
}

function vendorName(mapping: StreamMapping, name: string): string {
  const bare = name.replace(/^transmit_security\./, '').replace(/^(additionalParams|additional_params)\./, '');
  return bare.startsWith(`${mapping.name}.`) ? bare.slice(mapping.name.length + 1) : bare;
}

/** `params` is all of them: an empty name. Of a path only the first name counts, so more may go, never less. */
function otherParameter(mapping: StreamMapping, name: string): string | undefined {
  const vendor = vendorName(mapping, name);
  if (vendor === 'params') return '';
  if (vendor.startsWith('params.')) return snakeCase(vendor.split('.')[1] ?? '');
  return name.startsWith('additional') && name.includes('.') ? snakeCase(vendor.split('.')[0] ?? '') : undefined;
}

/** Takes a field out, and the objects that this leaves empty. What lies below the document may be shared: it is copied. */
export function removeField(document: Record<string, unknown>, path: string): void {
  const dot = path.indexOf('.');
  const key = dot < 0 ? path : path.slice(0, dot);
  const value = document[key];
  if (dot < 0) delete document[key];
  else if (isObject(value)) {
    const copy: Record<string, unknown> = { ...value };
    removeField(copy, path.slice(dot + 1));
    if (Object.keys(copy).length === 0) delete document[key];
    else document[key] = copy;
  }
}
