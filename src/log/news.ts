import type { Say } from '../log.ts';
import type { News, Tell } from '../news.ts';
import { mends } from '../news-trouble.ts';
import { decimal, replayWords, span } from '../words.ts';
import { createBurials } from './burials.ts';
import { damageText, salvageText } from './damage.ts';
import { createFlapping } from './flapping.ts';
import { Troubles } from './troubles.ts';

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

class Teller {
  readonly #lines: Lines;
  readonly #now: () => Date;
  readonly #waiting: (sink: string) => Promise<number | undefined>;
  readonly #burials: ReturnType<typeof createBurials>;
  readonly #flapping: ReturnType<typeof createFlapping>;
  readonly #timer: NodeJS.Timeout;
  readonly #troubles: Troubles;
  readonly #met = new Set<string>();
  readonly #damagedPages = new Set<string>();
  #counting: Promise<void> = Promise.resolve();

  constructor(lines: Lines, options: TellerOptions) {
    this.#lines = lines;
    this.#now = options.now ?? (() => new Date());
    this.#waiting = options.waiting ?? (async () => undefined);
    const summaryMs = options.summaryMs ?? SUMMARY_MS;
    this.#troubles = new Troubles(this.#now, summaryMs);
    this.#burials = createBurials(lines.warn);
    this.#flapping = createFlapping({ ...lines, count: (sink, say) => this.#count(sink, say) });
    this.#timer = setInterval(() => this.#sumUp(), summaryMs).unref();
  }

  tell(news: News): void {
    switch (news.what) {
      case 'collected':
        this.#troubles.ends(`stream ${news.stream}`, (lasted) =>
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
        this.#troubles.begins(`spool ${news.doing}`, () =>
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
        this.#troubles.begins(`${name} suspected`, () =>
          this.#lines.error(
            `${name} refuses everything: ${news.reason}; held back: ${decimal(news.held)}; none is given up`,
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
    this.#troubles.begins(`stream ${news.stream}`, say, news.error);
  }

  #collecting(news: Of<'collecting'>): void {
    if (news.on) {
      this.#troubles.ends('collecting', (lasted) =>
        this.#lines.info(`collecting goes on after ${lasted}: ${news.reason}`, fieldsOf(news)),
      );
    } else {
      this.#troubles.begins('collecting', () =>
        this.#lines.error(`collecting has stopped: ${news.reason}`, fieldsOf(news)),
      );
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
    if (this.#troubles.begins(`sink ${sink}`, say, reason) === 'flapping') this.#flapping.down(sink, reason);
  }

  #sinkUp(news: Of<'sink_up'>): void {
    const { sink } = news;
    this.#flapping.up(sink, this.#now());
    if (!this.#met.has(sink) && !this.#troubles.has(`sink ${sink}`))
      this.#lines.info(`sink ${sink} is up`, fieldsOf(news));
    this.#met.add(sink);
    this.#troubles.forget(`sink ${sink} suspected`);
    this.#troubles.ends(`sink ${sink}`, (lasted) =>
      this.#count(sink, (waiting) =>
        this.#lines.info(`sink ${sink} is up again after ${lasted}${waiting}`, fieldsOf(news)),
      ),
    );
  }

  #spoolWorks(news: News): void {
    for (const key of this.#troubles.names()) {
      if (!key.startsWith('spool ') || !mends(news, key.slice('spool '.length))) continue;
      this.#troubles.ends(key, (lasted) =>
        this.#lines.info(`the spool works again after ${lasted}`, { what: 'spool_works' }),
      );
    }
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
    this.#troubles.sumUp();
    this.#flapping.sumUp(this.#now());
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
