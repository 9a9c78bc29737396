/**
 * A shipper that writes down what became of each record: acknowledged, refused, or unknown because the answer was lost. Sends
 * numbered records in bulks on several connections, one request at a time on each, and sends again what was not acknowledged,
 * as shippers do. Every record's text follows from its number, so that it can be told apart and compared to the byte.
 */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

export interface LedgerOptions {
  dest: string;
  /** Records in a request. Default 20. */
  perBulk?: number;
  /** Default 3. */
  connections?: number;
  /**
   * `given`: each record has an id of the shipper, so that it is one record however often it is sent. `none`, the default:
   * each sending is a record of its own, told apart by `attempt`.
   */
  ids?: 'none' | 'given';
  /** Between an answer and the next request on a connection; keeps the load modest. Default 10 ms. */
  pauseMs?: number;
  /** Characters of each record's message. Default 200. */
  messageChars?: number;
  /** Then an answer counts as lost. Default 30 s. */
  timeoutMs?: number;
  /** Added to every request. */
  headers?: Readonly<Record<string, string>>;
  /** Members of the record before `message`, as JSON with a comma at its end; for poison. Must follow from the number alone. */
  extra?: (n: number) => string;
}

/** `open`: sent, nothing heard yet. */
export type Outcome = 'open' | 'acknowledged' | 'refused' | 'unknown';

/** One request: the records `first` … `first + count - 1`, sent for the `attempt`th time (0 is the first). */
export interface SentBulk {
  readonly connection: number;
  readonly first: number;
  readonly count: number;
  readonly attempt: number;
  outcome: Outcome;
  /** Status of the answer; 0 without one. */
  status: number;
  /** `performance.now()` when the outcome was known. */
  answeredMs: number;
  /** Numbers of records that the answer refused one by one. */
  failed: ReadonlySet<number>;
}

/** As shippers do it; 0 is no answer. */
const sentAgain: ReadonlySet<number> = new Set([0, 429, 502, 503, 504]);
const retryMs = 100;
const retryAfterMsMax = 1000;
const waitMsMax = 120_000;
const padding = 'GET /assets/application.css HTTP/1.1 200 12873 Mozilla/5.0 (X11; Linux x86_64; rv:140.0) ';

export class Ledger {
  readonly options: Required<LedgerOptions>;
  /** In the order of sending; on each connection also the order of the answers. */
  readonly bulks: SentBulk[] = [];
  /** Answers that no shipper should ever get. */
  readonly strange: string[] = [];
  #records = 0;
  #acknowledged = 0;
  readonly #acknowledgements: number[] = [];
  /** Sends nothing new. */
  #going = new AbortController();
  /** Waits for no answer any more. */
  #closed = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #failure: unknown;

  constructor(options: LedgerOptions) {
    this.options = {
      perBulk: 20,
      connections: 3,
      ids: 'none',
      pauseMs: 10,
      messageChars: 200,
      timeoutMs: 30_000,
      headers: {},
      extra: () => '',
      ...options,
    };
  }

  /** Records that were acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Records with a number so far: 0 … numbered - 1. */
  get numbered(): number {
    return this.#records;
  }

  /** Begins to send, after a stop once more; numbers go on. */
  start(url: string): void {
    const [going, closed] = [new AbortController(), new AbortController()];
    this.#going = going;
    this.#closed = closed;
    const connections = Array.from({ length: this.options.connections }, (_, n) => n);
    this.#running = Promise.all(connections.map((n) => this.#send(url, n, going.signal, closed.signal)));
    this.#running.catch((error) => {
      this.#failure = error;
    });
  }

  /** Sends nothing new; resolves when what is under way is acknowledged, or after `msMax` is given up as it is. */
  async stop(msMax = 60_000): Promise<void> {
    this.#going.abort();
    const late = new AbortController();
    try {
      await Promise.race([this.#running, pause(msMax, undefined, { signal: late.signal })]);
    } finally {
      late.abort();
      this.#closed.abort();
    }
  }

  /** Resolves when so many records more than now are acknowledged. Throws what `broken` gives, once it gives something. */
  async grows(records: number, broken?: () => Error | undefined): Promise<void> {
    const wanted = this.#acknowledged + records;
    const until = performance.now() + waitMsMax;
    while (this.#acknowledged < wanted) {
      const failure = this.#failure ?? broken?.();
      if (failure !== undefined) throw failure;
      if (this.strange.length > 0) throw new Error(this.strange[0]);
      if (performance.now() > until) throw new Error(`${this.#acknowledged} acknowledged, ${wanted} wanted`);
      await pause(10);
    }
  }

  /** `performance.now()` of the first acknowledgement after `ms`; undefined without one. */
  acknowledgedAfter(ms: number): number | undefined {
    return this.#acknowledgements.find((answeredMs) => answeredMs > ms);
  }

  /** The bytes of a record. */
  document(n: number, attempt: number): string {
    const { messageChars, extra } = this.options;
    const message = padding.repeat(Math.ceil(messageChars / padding.length)).slice(0, messageChars);
    return `{"@timestamp":"2026-11-23T21:00:00Z","n":${n},"attempt":${attempt},${extra(n)}"message":"${message}"}`;
  }

  /** Of every acknowledged record: `number.attempt`. */
  acknowledgedKeys(): string[] {
    return this.bulks
      .filter(({ outcome }) => outcome === 'acknowledged')
      .flatMap(({ first, count, attempt, failed }) =>
        Array.from({ length: count }, (_, at) => first + at)
          .filter((n) => !failed.has(n))
          .map((n) => `${n}.${attempt}`),
      );
  }

  /** Gives out numbers: a request to be sent by hand or by `body`. */
  draw(connection = 0, count = this.options.perBulk): SentBulk {
    const first = this.#records;
    this.#records += count;
    return this.#enter(connection, first, count, 0);
  }

  /** The same records once more. */
  again({ connection, first, count, attempt }: SentBulk): SentBulk {
    return this.#enter(connection, first, count, this.options.ids === 'given' ? 0 : attempt + 1);
  }

  body({ first, count, attempt }: SentBulk): string {
    const { dest, ids } = this.options;
    let text = '';
    for (let n = first; n < first + count; n += 1) {
      const id = ids === 'given' ? `,"_id":"${this.id(n)}"` : '';
      text += `{"create":{"_index":"${dest}"${id}}}\n${this.document(n, attempt)}\n`;
    }
    return text;
  }

  /** The shipper's id of a record. */
  id(n: number): string {
    return `${this.options.dest}/${n}`;
  }

  /** Writes down the answer to a request; 0 is no answer. */
  settle(bulk: SentBulk, status: number, text: string): void {
    bulk.status = status;
    bulk.answeredMs = performance.now();
    if (status === 200) {
      bulk.outcome = 'acknowledged';
      bulk.failed = text.includes('"errors":false') ? none : failedOf(bulk, text);
      this.#acknowledged += bulk.count - bulk.failed.size;
      this.#acknowledgements.push(bulk.answeredMs);
    } else if (status === 429) bulk.outcome = 'refused';
    else {
      bulk.outcome = 'unknown';
      if (!sentAgain.has(status)) this.strange.push(`${status} ${text.slice(0, 300)}`);
    }
  }

  #enter(connection: number, first: number, count: number, attempt: number): SentBulk {
    const bulk: SentBulk = { ...fresh, connection, first, count, attempt };
    this.bulks.push(bulk);
    return bulk;
  }

  async #send(url: string, connection: number, going: AbortSignal, closed: AbortSignal): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const { pauseMs } = this.options;
    try {
      while (!going.aborted) {
        let bulk = this.draw(connection);
        for (;;) {
          const { status, text, retryAfter } = await this.#post(url, agent, this.body(bulk));
          if (closed.aborted) return;
          this.settle(bulk, status, text);
          if (status === 429 && retryAfter <= 0) this.strange.push(`429 without Retry-After: ${text.slice(0, 300)}`);
          if (!sentAgain.has(status)) break;
          await pause(retryAfter > 0 ? Math.min(retryAfter * 1000, retryAfterMsMax) : retryMs);
          bulk = this.again(bulk);
        }
        if (pauseMs > 0) await pause(pauseMs);
      }
    } finally {
      agent.destroy();
    }
  }

  /** Status 0: the connection was refused, lost, or silent for too long. */
  async #post(url: string, agent: Agent, body: string): Promise<{ status: number; text: string; retryAfter: number }> {
    const headers = { ...this.options.headers, 'content-type': 'application/x-ndjson' };
    try {
      const sent = request(`${url}/_bulk`, { method: 'POST', agent, headers });
      const timer = setTimeout(() => sent.destroy(new Error('no answer in time')), this.options.timeoutMs);
      try {
        sent.end(body);
        const [answer] = await once(sent, 'response');
        let text = '';
        for await (const chunk of answer.setEncoding('utf8')) text += chunk;
        return { status: answer.statusCode, text, retryAfter: Number(answer.headers['retry-after'] ?? 0) };
      } finally {
        clearTimeout(timer);
      }
    } catch (error) {
      return { status: 0, text: String(error), retryAfter: 0 };
    }
  }
}

const none: ReadonlySet<number> = new Set();
const fresh = { outcome: 'open' as Outcome, status: 0, answeredMs: 0, failed: none };

function failedOf(bulk: SentBulk, text: string): ReadonlySet<number> {
  const { items } = JSON.parse(text) as { items: Record<string, { status: number }>[] };
  const failed = new Set<number>();
  for (const [at, item] of items.entries()) {
    if ((item.create ?? item.index)?.status !== 201) failed.add(bulk.first + at);
  }
  return failed;
}
