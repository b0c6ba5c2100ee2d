import { isIP } from 'node:net';
import type { Inputs, Scalar } from './activity.ts';
import type { Draft, Writing } from './ecs.ts';
import { FAILED_CREATION, type Group, type StreamMapping } from './mapping.ts';
import { flattenMembers } from './params.ts';
import { isPair, plainName, redactUrl, redactUrlsInText, scrub, urlParts } from './redact.ts';
import { sameName, sameVersion, type UserAgent } from './user-agent.ts';

type Text = string | undefined;

function text(value: Scalar | undefined): Text {
  return value === undefined ? undefined : String(value);
}

function addUser({ related }: Draft, id: string): void {
  related.user ??= [];
  if (!related.user.includes(id)) related.user.push(id);
}

export function writeAddress(draft: Draft, { known, other }: Inputs, { mapping }: Writing): void {
  const address = text(known['ip'])?.trim();
  if (!address) {
    if (known['ip'] !== undefined || other.has('ip')) draft.tags.push(`${mapping.name}_invalid_ip`);
    return;
  }
  // An address with a zone is one for node, and none for the SIEMs.
  const valid = isIP(address) !== 0 && !address.includes('%');
  draft.document['source'] = valid ? { ip: address, address } : { address };
  draft.document['client'] = valid ? { ip: address, address } : { address };
  if (valid) draft.related.ip = [address];
  else draft.tags.push(`${mapping.name}_invalid_ip`);
}

/** What the SDK says wins over what the user agent says; where they contradict one another the SDK's word is told apart. */
export function writeDevice({ document, vendor }: Draft, { known }: Inputs, { userAgent }: Writing): void {
  const original = text(known['user_agent']);
  const [model, browser, version] = [known['device_model'], known['browser'], known['os_version']].map(text);
  const parsed: UserAgent = original === undefined ? { osFrozen: false } : userAgent(original);
  const agrees = !browser || !parsed.name || sameName(browser, parsed.name);
  const name = browser ?? parsed.name;
  const osVersion = version ?? parsed.osVersion;
  const device = model ?? parsed.device;
  const os = {
    ...(parsed.osName && { name: parsed.osName }),
    ...(osVersion && { version: osVersion }),
  };
  const fields = {
    ...(original && { original }),
    ...(name && { name }),
    ...(agrees && parsed.version && { version: parsed.version }),
    ...(Object.keys(os).length > 0 && { os }),
    ...(device && { device: { name: device } }),
  };
  if (Object.keys(fields).length > 0) document['user_agent'] = fields;
  if (!agrees) vendor['browser'] = browser;
  if (version && parsed.osVersion && !parsed.osFrozen && !sameVersion(version, parsed.osVersion)) {
    vendor['os_version'] = version;
  }
  if (model && parsed.device && !sameName(model, parsed.device)) vendor['device_model'] = model;
  const id = text(known['device_id']);
  const device_ = { ...(id && { id }), ...(model && { model: { identifier: model } }) };
  if (id || model) document['device'] = device_;
}

/** Who it is about. In a verification the user id is the session id, so it names a user only where it differs. */
export function writeSubject(draft: Draft, { known }: Inputs, group: Group, { mapping }: Writing): void {
  const user = text(known['user_id']);
  if (mapping.subject === 'actor') writeActor(draft, known);
  else if (mapping.subject === 'user') {
    if (user) writeUser(draft, user);
  } else writeSession(draft, text(known['session_id']), user, group);
}

function writeSession(draft: Draft, session: Text, user: Text, group: Group): void {
  const isApplicants = group !== 'staff' && group !== 'unknown';
  const id = session ?? (isApplicants ? user : undefined);
  if (id) draft.vendor['session_id'] = id;
  if (!user || user === id) return;
  if (isApplicants) writeUser(draft, user);
  else draft.vendor['user_id'] = user;
}

function writeUser(draft: Draft, id: string): void {
  draft.document['user'] = { id };
  addUser(draft, id);
}

/** An application that acts, or is acted on, is no user. */
function writeActor(draft: Draft, known: Inputs['known']): void {
  const isUser = (type: Scalar | undefined) => String(type).toLowerCase() === 'user';
  const actorType = known['actor_type'];
  const actor = actorType === undefined || isUser(actorType) ? text(known['actor_id']) : undefined;
  const target = isUser(known['target_resource_type']) ? text(known['target_resource_id']) : undefined;
  if (actor || target)
    draft.document['user'] = { ...(actor && { id: actor }), ...(target && { target: { id: target } }) };
  for (const id of [actor, target]) if (id) addUser(draft, id);
}

/** The vendor fields that are copies, and whatever has no field of its own. */
export function writeParameters(draft: Draft, { known, other }: Inputs, writing: Writing): void {
  const { mapping, options } = writing;
  for (const { name, holder, field } of writing.copies) {
    const value = known[name];
    if (value === undefined) continue;
    if (holder === undefined) draft.vendor[field] = String(value);
    else draft.vendor[holder] = { ...(draft.vendor[holder] as object | undefined), [field]: String(value) };
  }
  const tenant = text(known['tenant_id']);
  if (tenant) draft.document['organization'] = { id: tenant };
  if (other.size === 0) return;
  const kept = mapping.pairs ? withoutPersonal(draft.vendor, String(known['activity']), other, mapping) : other;
  let redacted = false;
  const policy = { sensitive: mapping.sensitive, pairs: mapping.pairs, redactUrls: options.redactUrls };
  const clean = scrub(Object.fromEntries(kept), policy, (what) => {
    redacted ||= what === 'personal';
  });
  if (redacted) draft.tags.push(`${mapping.name}_redacted`);
  if (kept.size > 0) draft.vendor['params'] = flattenMembers(Object.entries(clean as object));
}

/** Which parameters are copied, and to where: `field`, or `holder.field`. */
export function copiesOf(mapping: StreamMapping): Writing['copies'] {
  return Object.entries(mapping.parameters).flatMap(([name, { copy }]) => {
    const [field, holder] = copy?.split('.').reverse() ?? [];
    return field === undefined ? [] : [{ name, holder, field }];
  });
}

/** Says what changed, and not from what to what; an account's state and its flags are nobody's secret. */
function withoutPersonal(
  vendor: Record<string, unknown>,
  activity: string,
  other: Inputs['other'],
  mapping: StreamMapping,
): ReadonlyMap<string, unknown> {
  const kept = new Map<string, unknown>();
  const changed: string[] = [];
  const supplied: string[] = [];
  const isFailedCreation = mapping.name === 'cis' && FAILED_CREATION.activities.has(plainName(activity));
  for (const [name, value] of other) {
    if (isPair(value)) {
      if (JSON.stringify(value.prev) !== JSON.stringify(value.current)) changed.push(name);
      writeStates(vendor, name, value);
    } else if (isFailedCreation && FAILED_CREATION.keys.has(plainName(name))) supplied.push(name);
    else kept.set(name, value);
  }
  if (changed.length > 0) vendor['changed_fields'] = changed.sort();
  if (supplied.length > 0) vendor['supplied_fields'] = supplied.sort();
  return kept;
}

function writeStates(vendor: Record<string, unknown>, name: string, pair: { prev?: unknown; current?: unknown }): void {
  if (name === 'status') keepStates(vendor, 'status', pair, (state) => typeof state === 'string');
  if (name !== 'email' && name !== 'phone_number') return;
  const flag = `${name}_verified`;
  const verified = (state: unknown) => (state as Record<string, unknown> | null | undefined)?.[flag];
  const flags = { prev: verified(pair.prev), current: verified(pair.current) };
  keepStates(vendor, flag, flags, (state) => typeof state === 'boolean');
}

function keepStates(
  vendor: Record<string, unknown>,
  name: string,
  { prev, current }: { prev?: unknown; current?: unknown },
  isState: (state: unknown) => boolean,
): void {
  const states = { ...(isState(prev) && { prev }), ...(isState(current) && { current }) };
  if (Object.keys(states).length > 0) vendor[name] = states;
}

const MAX_REASON = 1024;

/** Three spellings of the error's name; only the activity `error` has it as its reason. */
export function writeError(draft: Draft, { known }: Inputs, { options }: Writing): void {
  const [error, errorName] = [known['error'], known['error_name']].map(text);
  const given = text(known['error_description']);
  const message = given && options.redactUrls ? redactUrlsInText(given) : given;
  const type = error ?? errorName;
  if (errorName ?? error) draft.vendor['error_name'] = errorName ?? error;
  if (error && errorName && error !== errorName) draft.vendor['error'] = error;
  if (type || message) draft.document['error'] = { ...(type && { type }), ...(message && { message }) };
  const reason = message ?? type;
  if (draft.event['code'] === 'error' && reason) draft.event['reason'] = reason.slice(0, MAX_REASON).toWellFormed();
}

/** What is no absolute URL is kept as a parameter. */
export function writeRedirect(draft: Draft, { known }: Inputs, { options }: Writing): void {
  const given = text(known['redirect_url']);
  if (!given) return;
  const url = urlParts(given, options.redactUrls);
  if (!url) {
    const kept = flattenMembers([['redirect_url', options.redactUrls ? redactUrl(given) : given]]);
    draft.vendor['params'] = Object.assign(draft.vendor['params'] ?? kept, kept);
    return;
  }
  draft.document['url'] = url;
  if (!url.domain) return;
  draft.related.hosts = [url.domain];
  draft.vendor['redirect_host'] = url.domain;
}
