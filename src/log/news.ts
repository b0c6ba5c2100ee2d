import type { Say } from '../log.ts';
import type { News, Tell } from '../news.ts';
import { mends } from '../news-trouble.ts';
import { decimal, replayWords, span } from '../words.ts';
import { createBurials } from './burials.ts';
import { damageText, salvageText } from './damage.ts';
import { createFlapping } from './flapping.ts';

export interface TellerOptions {
  /** How many activities wait for a sink; asked when it goes down or up. */
  readonly waiting?: (sink: string) => Promise<number | undefined>;
  readonly now?: () => Date;
  /** How often dead letters and flapping are summed up, in ms; default 60 s. */
  readonly summaryMs?: number;
}
export interface Lines {
  readonly error: Say;
  readonly warn: Say;
  readonly info: Say;
  readonly debug: Say;
}
type Of<What extends News['what']> = Extract<News, { readonly what: What }>;

const SUMMARY_MS = 60_000;

/** One line when a trouble begins, one when it ends; dead letters by reason; nothing for what goes well. */
export function createTeller(lines: Lines, options: TellerOptions): { readonly tell: Tell; close(): Promise<void> } {
  const teller = new Teller(lines, options);
  return { tell: (news) => teller.tell(news), close: () => teller.close() };
}

interface Trouble {
  readonly since: Date;
  /** Says it with its latest reason; `lasted` where it was said before, with another. */
  say: (lasted?: string) => void;
  reason: string;
  /** Reasons that were said of it, without their numbers. None yet: it is not said. */
  readonly said: Set<string>;
}

/** More reasons than this are not said of one trouble. */
const SAID_REASONS = 10;

class Teller {
  readonly #lines: Lines;
  readonly #now: () => Date;
  readonly #waiting: (sink: string) => Promise<number | undefined>;
  readonly #summaryMs: number;
  readonly #burials: ReturnType<typeof createBurials>;
  readonly #flapping: ReturnType<typeof createFlapping>;
  readonly #timer: NodeJS.Timeout;
  /** What is wrong now. */
  readonly #troubles = new Map<string, Trouble>();
  /** When a trouble last ended: one that comes back soon is said only if it stays. */
  readonly #ended = new Map<string, Date>();
  readonly #met = new Set<string>();
  readonly #damagedPages = new Set<string>();
  #counting: Promise<void> = Promise.resolve();

  constructor(lines: Lines, options: TellerOptions) {
    this.#lines = lines;
    this.#now = options.now ?? (() => new Date());
    this.#waiting = options.waiting ?? (async () => undefined);
    this.#summaryMs = options.summaryMs ?? SUMMARY_MS;
    this.#burials = createBurials(lines.warn);
    this.#flapping = createFlapping({ ...lines, count: (sink, say) => this.#count(sink, say) });
    this.#timer = setInterval(() => this.#sumUp(), this.#summaryMs).unref();
  }

  tell(news: News): void {
    switch (news.what) {
      case 'collected':
        this.#ends(`stream ${news.stream}`, (lasted) =>
          this.#lines.info(`collecting ${news.stream} works again after ${lasted}`, fieldsOf(news)),
        );
        break;
      case 'collect_failed':
        this.#collectFailed(news);
        break;
      case 'possible_gap':
        this.#lines.error(`possible gap in ${news.stream} (${news.reason}): ${news.detail}`, fieldsOf(news));
        break;
      case 'collecting':
        this.#collecting(news);
        break;
      case 'spool_error':
        this.#begins(`spool ${news.doing}`, () =>
          this.#lines.error(
            `the spool fails while ${news.doing}: ${news.error}; tried again without end`,
            fieldsOf(news),
          ),
        );
        break;
      case 'spool_damaged':
        this.#lines.error(`${news.reason}. What can be read goes into a new file`, fieldsOf(news));
        break;
      case 'spool_salvaged':
        this.#lines.error(`the spool was salvaged: ${salvageText(news.salvage)}`, fieldsOf(news));
        break;
      case 'spool_works':
        break;
      case 'sink_up':
        this.#sinkUp(news);
        break;
      default:
        this.#tellOfSink(news);
    }
    this.#spoolWorks(news);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#flapping.sumUp(this.#now());
    await this.#counting;
    this.#burials.sumUp();
  }

  #tellOfSink(news: Of<'sink_down' | 'sink_suspected' | 'damaged' | 'order' | 'settled' | 'delivery'>): void {
    const name = `sink ${news.sink}`;
    switch (news.what) {
      case 'sink_down':
        this.#lines.debug(`${name} cannot be used: ${news.reason}; next try in ${span(news.waitMs)}`, fieldsOf(news));
        this.#sinkDown(news);
        break;
      case 'sink_suspected':
        this.#begins(`${name} suspected`, () =>
          this.#lines.error(
            `${name} refuses everything: ${news.reason}; ${decimal(news.held)} events are held, none is given up`,
            fieldsOf(news),
          ),
        );
        break;
      case 'damaged':
        this.#damaged(news);
        break;
      case 'order':
        this.#lines.info(ordered(news), { what: news.what, sink: news.sink, order: news.order.id });
        break;
      case 'settled':
        for (const dead of news.dead) this.#burials.bury(news.sink, dead);
    }
  }

  /** Each replay meets the same pages again: once for each sink is enough. */
  #damaged(news: Of<'damaged'>): void {
    const key = `${news.page} ${news.sink}`;
    if (this.#damagedPages.has(key)) return;
    this.#damagedPages.add(key);
    this.#lines.error(damageText(news), fieldsOf(news));
  }

  #collectFailed(news: Of<'collect_failed'>): void {
    const what = `collecting ${news.stream} fails: ${news.error}`;
    this.#lines.debug(`${what}; next try in ${span(news.waitMs)}`, fieldsOf(news));
    const say = (lasted?: string) => {
      const fields = fieldsOf(news);
      if (lasted) this.#lines.warn(`collecting ${news.stream} still fails after ${lasted}: ${news.error}`, fields);
      else this.#lines.warn(`${what}; tried again without end`, fields);
    };
    this.#begins(`stream ${news.stream}`, say, news.error);
  }

  #collecting(news: Of<'collecting'>): void {
    if (news.on) {
      this.#ends('collecting', (lasted) =>
        this.#lines.info(`collecting goes on after ${lasted}: ${news.reason}`, fieldsOf(news)),
      );
    } else {
      this.#begins('collecting', () => this.#lines.error(`collecting has stopped: ${news.reason}`, fieldsOf(news)));
    }
  }

  #sinkDown(news: Of<'sink_down'>): void {
    const { sink, reason } = news;
    const say = (lasted?: string) => {
      this.#flapping.stays(sink);
      this.#count(sink, (waiting) => {
        if (lasted) this.#lines.warn(`sink ${sink} is still down after ${lasted}: ${reason}${waiting}`, fieldsOf(news));
        else this.#lines.warn(`sink ${sink} is down: ${reason}${waiting}`, fieldsOf(news));
      });
    };
    if (this.#begins(`sink ${sink}`, say, reason) === 'flapping') this.#flapping.down(sink, reason);
  }

  #sinkUp(news: Of<'sink_up'>): void {
    const { sink } = news;
    this.#flapping.up(sink, this.#now());
    if (!this.#met.has(sink) && !this.#troubles.has(`sink ${sink}`))
      this.#lines.info(`sink ${sink} is up`, fieldsOf(news));
    this.#met.add(sink);
    this.#troubles.delete(`sink ${sink} suspected`);
    this.#ends(`sink ${sink}`, (lasted) =>
      this.#count(sink, (waiting) =>
        this.#lines.info(`sink ${sink} is up again after ${lasted}${waiting}`, fieldsOf(news)),
      ),
    );
  }

  #spoolWorks(news: News): void {
    for (const key of this.#troubles.keys()) {
      if (!key.startsWith('spool ') || !mends(news, key.slice('spool '.length))) continue;
      this.#ends(key, (lasted) => this.#lines.info(`the spool works again after ${lasted}`, { what: 'spool_works' }));
    }
  }

  /** Said once for each reason. One that ended a moment ago is flapping: it is said when it still lasts at the next summary. */
  #begins(key: string, say: Trouble['say'], reason = ''): 'said' | 'flapping' | undefined {
    const known = this.#troubles.get(key);
    if (known) return void Object.assign(known, { say, reason });
    const trouble = { since: this.#now(), say, reason, said: new Set<string>() };
    this.#troubles.set(key, trouble);
    const last = this.#ended.get(key)?.getTime() ?? Number.NEGATIVE_INFINITY;
    if (trouble.since.getTime() - last <= this.#summaryMs) return 'flapping';
    this.#say(trouble);
    return 'said';
  }

  #say(trouble: Trouble): void {
    const first = trouble.said.size === 0;
    const reason = trouble.reason.replace(/\d+/g, '0');
    if (trouble.said.has(reason) || trouble.said.size === SAID_REASONS) return;
    trouble.said.add(reason);
    trouble.say(first ? undefined : span(this.#now().getTime() - trouble.since.getTime()));
  }

  #ends(key: string, end: (lasted: string) => void): void {
    const trouble = this.#troubles.get(key);
    if (!trouble) return;
    const now = this.#now();
    this.#troubles.delete(key);
    this.#ended.set(key, now);
    if (trouble.said.size > 0) end(span(now.getTime() - trouble.since.getTime()));
  }

  /** Says a line with how many wait for the sink; such lines keep their order. */
  #count(sink: string, say: (waiting: string) => void): void {
    const asked = this.#waiting(sink).catch(() => undefined);
    this.#counting = this.#counting.then(async () => {
      const number = await asked;
      say(number === undefined ? '' : ` (${decimal(number)} waiting)`);
    });
  }

  #sumUp(): void {
    this.#burials.sumUp();
    const now = this.#now().getTime();
    for (const trouble of this.#troubles.values()) {
      const young = now - trouble.since.getTime() < this.#summaryMs / 2;
      if (trouble.said.size > 0 || !young) this.#say(trouble);
    }
    this.#flapping.sumUp(this.#now());
    for (const [key, at] of this.#ended) if (now - at.getTime() > this.#summaryMs) this.#ended.delete(key);
  }
}

function ordered({ order, reasons = [] }: Of<'order'>): string {
  const { id, kind, sink, delivered, refused, discarded } = order;
  const of = `of sink ${sink}`;
  if (kind === 'discard') return `order ${id}, dead letters ${of}: ${decimal(discarded)} discarded`;
  if (kind === 'revive')
    return `order ${id}, dead letters ${of}: ${decimal(delivered)} delivered, ${decimal(refused)} refused again`;
  const why = reasons.length > 0 ? `; refused, and no dead letters: ${reasons.join('; ')}` : '';
  return `order ${id}, replay ${of}: ${replayWords(order)}${why}`;
}

function fieldsOf(news: News): Readonly<Record<string, string | number | boolean>> {
  return Object.fromEntries(
    Object.entries(news).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value)),
  );
}
