import { createHash, randomInt } from 'node:crypto';
import type { StreamType } from '../types.ts';
import { SCRIPTS } from './other-types.ts';
import { base62, type Random, randomFrom } from './random.ts';
import { inSpelling, SPELLINGS, type Spelling, type Subject } from './spelling.ts';

/** One activity as Mosaic would write it, and what it can be recognised by in any document made of it. */
export interface SimulatedActivity {
  readonly key: string;
  readonly json: string;
}

export interface SourceOptions {
  /** Default verify. */
  readonly type?: StreamType;
  /** The same seed, type and start give the same activities. Default: another world each time. */
  readonly seed?: number;
  /** Time of the first activity, epoch ms. Default now. */
  readonly startAt?: number;
  /** Activities per second of simulated time. Default 50. */
  readonly rate?: number;
  /** Applicants at the same time. Default 40. */
  readonly underWay?: number;
  /** The share of applicants with forged documents, of whom about half are rejected. Default 0.06. */
  readonly forged?: number;
  /** How Mosaic spells them; default: each session in one of the three. */
  readonly spelling?: Spelling;
}

export interface ActivitySource {
  /** The next activity of any of the sessions under way. `at`, epoch ms, overrides the simulated clock. */
  next(at?: number): SimulatedActivity;
  take(count: number): SimulatedActivity[];
}

/** People who verify their identity side by side, one activity at a time. */
export function activitySource(options: SourceOptions = {}): ActivitySource {
  const { type = 'verify', seed = randomInt(2 ** 31), startAt = Date.now(), rate = 50, underWay: most = 40 } = options;
  const random = randomFrom(seed);
  const sessions = sessionMaker(
    random,
    type,
    createHash('sha256').update(`${type} ${seed} ${startAt}`).digest(),
    options,
  );
  const underWay: Session[] = [];
  let clock = startAt;

  function next(at?: number): SimulatedActivity {
    clock += (-Math.log(1 - random.next()) * 1000) / rate;
    if (underWay.length === 0 || (underWay.length < most && random.chance(0.2))) underWay.push(sessions());
    const place = Math.floor(random.next() * underWay.length);
    const session = underWay[place] as Session;
    const activity = advance(session, Math.floor(at ?? clock), type);
    if (session.done === session.script.steps.length) underWay[place] = sessions();
    return activity;
  }
  return { next, take: (count) => Array.from({ length: count }, () => next()) };
}

interface Session {
  readonly script: ReturnType<(typeof SCRIPTS)[StreamType]>;
  subject: Subject;
  done: number;
  lastAt: number;
}

function sessionMaker(random: Random, type: StreamType, world: Buffer, options: SourceOptions): () => Session {
  const run = base62(world.readUIntBE(0, 6), 7);
  const applications = [applicationId(world, 6), applicationId(world, 12)] as const;
  let made = 0;
  return () => {
    made += 1;
    const script = SCRIPTS[type](random, options.forged);
    const subject = {
      id: subjectId(random, run, made),
      session: script.session,
      application: random.pick(applications),
      device: script.device,
      ip: script.ip,
      spelling: options.spelling ?? random.pick(SPELLINGS),
    };
    return { script, subject, done: 0, lastAt: 0 };
  };
}

/** Unique by construction: a count that is only shuffled, the run's part, then decoration. */
export function subjectId(random: Random, run: string, made: number): string {
  const count = base62((made * 389_017_033) % 62 ** 5, 5);
  return `${count}${run}${base62(random.between(0, 62 ** 4 - 1), 4)}`;
}

export function applicationId(world: Buffer, offset: number): string {
  return [0, 3, 6, 9]
    .map((place) => base62(world.readUIntBE(offset + place, 4), 6))
    .join('')
    .slice(0, 23);
}

/** No two activities of a subject share a millisecond: that makes every key unique. */
function advance(session: Session, now: number, type: StreamType): SimulatedActivity {
  const step = session.script.steps[session.done];
  if (!step) throw new Error('a session without a step left');
  session.done += 1;
  session.lastAt = Math.max(now, session.lastAt + 1);
  if (step.device) session.subject = { ...session.subject, device: step.device, ip: step.ip ?? session.subject.ip };
  const json = JSON.stringify(inSpelling(session.subject, step, session.lastAt, type));
  return { key: keyOf(session.subject.id, session.lastAt, step.activity), json };
}

export function keyOf(subject: string, at: number, activity: string): string {
  return `${subject} ${at} ${activity}`;
}

type Fields = Readonly<Record<string, unknown>>;

/** The subject (session, else user, else actor), the time in epoch ms and the name: `fHDV8gsIdJoid1br 1727005080107 page_loaded`. */
export function activityKey(activity: string | Fields): string {
  const raw = typeof activity === 'string' ? fieldsOf(JSON.parse(activity)) : activity;
  const details = fieldsOf(raw['additionalParams'] ?? raw['additional_params']);
  const subject = details['sessionId'] ?? details['session_id'] ?? raw['userId'] ?? raw['user_id'] ?? raw['actor_id'];
  const time = raw['timestamp'];
  return keyOf(String(subject), typeof time === 'number' ? time : Date.parse(String(time)), String(raw['activity']));
}

/** The same key, read out of an ECS document: `@timestamp`, `event.action`, and the session, user or actor id. */
export function documentKey(document: Fields): string {
  const [vendor = {}] = Object.values(fieldsOf(document['transmit_security'])).map(fieldsOf);
  const ids = [
    vendor['session_id'],
    vendor['user_id'],
    fieldsOf(vendor['actor'])['id'],
    fieldsOf(document['user'])['id'],
  ];
  const subject = ids.find((id) => id !== undefined) ?? fieldsOf(vendor['params'])['user_id'];
  return keyOf(
    String(subject),
    Date.parse(String(document['@timestamp'])),
    String(fieldsOf(document['event'])['action']),
  );
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}
