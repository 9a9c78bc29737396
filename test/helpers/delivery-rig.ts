/** Delivery over a real log and a store in memory, with what a process around it would do. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CursorValue } from '../../src/delivery/cursor-keeper.ts';
import { readCursorValue } from '../../src/delivery/cursor-keeper.ts';
import type { DeliveryLimits } from '../../src/delivery/delivery.ts';
import { Delivery } from '../../src/delivery/delivery.ts';
import type { DeliveryHost, DeliveryUpstream, SettledRecord } from '../../src/delivery/port.ts';
import type { RejectDetail } from '../../src/journal/reject-detail.ts';
import { replaceFile } from '../../src/lib/durable-file.ts';
import { CursorFile } from '../../src/wal/cursor.ts';
import type { Position } from '../../src/wal/position.ts';
import type { FakeStore } from './fake-store.ts';
import { LogWriter } from './log-writer.ts';
import { ManualClock } from './manual-clock.ts';

export class DeliveryRig<S extends DeliveryUpstream = FakeStore> {
  readonly log: LogWriter;
  readonly store: S;
  readonly clock = new ManualClock();
  /** The store is a process of its own: it needs the processor while a test waits. */
  engine = false;
  readonly settled: SettledRecord[] = [];
  readonly events: { name: string; fields: Record<string, unknown> }[] = [];
  readonly saved: CursorValue[] = [];
  readonly trims: Position[] = [];
  readonly failures: unknown[] = [];
  limits: Partial<DeliveryLimits> = {};
  random: () => number = () => 0.5;
  /** Calls out of delivery and back never come back once it is killed. */
  generation = 0;
  delivery: Delivery | undefined;
  /** Fails the next control records. */
  controlGate: () => Promise<void> = async () => undefined;
  /** Sees every cursor right before it is written. */
  onSave: (value: CursorValue) => void = () => undefined;
  #cursor: CursorFile<CursorValue> | undefined;
  readonly #dir: string;
  /** A killed delivery's last write does not meet the next one's. */
  #replaced: Promise<void> = Promise.resolve();
  #opened: Promise<unknown> = Promise.resolve();
  #starting = false;

  private constructor(dir: string, log: LogWriter, store: S) {
    this.#dir = dir;
    this.log = log;
    this.store = store;
    log.wal.onDurable((durable) => this.delivery?.grew(durable));
  }

  static async open<S extends DeliveryUpstream>(dir: string, store: S, segmentBytes?: number): Promise<DeliveryRig<S>> {
    return new DeliveryRig(dir, await LogWriter.open(join(dir, 'wal'), segmentBytes), store);
  }

  /** Begins from the files, unless it runs or is about to. */
  ensureStarted(): void {
    if (this.delivery !== undefined || this.#starting) return;
    this.#starting = true;
    const { generation } = this;
    void this.start().finally(() => {
      if (generation + 1 === this.generation) this.#starting = false;
    });
  }

  /** Begins from the files. */
  async start(): Promise<Delivery> {
    const generation = ++this.generation;
    const opened = this.#opened.then(() => this.#openCursor());
    this.#opened = opened;
    const { cursor, value } = await opened;
    await this.#aliveIn(generation);
    const alive = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
      return async (...args: A): Promise<R> => {
        await this.#aliveIn(generation);
        const result = await call(...args).then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        );
        await this.#aliveIn(generation);
        if ('error' in result) throw result.error;
        return result.value;
      };
    };
    const delivery = new Delivery({
      walDir: this.log.dir,
      dir: join(this.#dir, 'delivery'),
      durable: this.log.wal.durable,
      cursor: value,
      store: {
        save: alive(async (next: CursorValue) => {
          this.onSave(next);
          await cursor.save(next);
          this.saved.push(next);
        }),
      },
      replace: alive((path, bytes) => {
        this.#replaced = this.#replaced.then(() => replaceFile(path, bytes));
        return this.#replaced;
      }),
      upstream: this.#upstream(alive),
      host: this.#host(generation, alive),
      clock: this.clock,
      random: this.random,
      batch: { hash: true, rawAlways: false },
      limits: { cursorIntervalMs: 100, backoffMsMin: 100, backoffMsMax: 1000, ...this.limits },
      fatal: (error) => {
        if (this.generation === generation) this.failures.push(error);
      },
    });
    this.delivery = delivery;
    await delivery.start();
    return delivery;
  }

  async #openCursor(): Promise<{ cursor: CursorFile<CursorValue>; value: CursorValue | undefined }> {
    await this.#replaced;
    await this.#cursor?.close();
    const opened = await CursorFile.open(join(this.#dir, 'cursor'), readCursorValue);
    this.#cursor = opened.cursor;
    return opened;
  }

  /** As kill -9: what is under way never comes back. */
  kill(): void {
    this.generation += 1;
    this.delivery = undefined;
    this.#starting = false;
  }

  /** Deletes its files, as an operator may whose disk spoiled them. */
  async forget(): Promise<void> {
    await this.#opened;
    await this.#replaced;
    await rm(join(this.#dir, 'cursor'));
    await rm(join(this.#dir, 'delivery'), { recursive: true });
  }

  /** Lets time pass in small steps, with real input and output between them, until `done`. */
  async until(done: () => boolean, what = 'what was waited for', stepMs = 50): Promise<void> {
    const end = performance.now() + 120_000;
    for (let step = 0; performance.now() < end; step += 1) {
      if (this.failures.length > 0) throw this.failures[0];
      if (done()) return;
      await new Promise((resolve) => (this.engine ? setTimeout(resolve, 10) : setImmediate(resolve)));
      if (step % 4 === 3) this.clock.advance(stepMs);
    }
    throw new Error(`${what} did not happen: ${JSON.stringify(this.delivery?.stats())}`);
  }

  async idle(): Promise<void> {
    await this.until(() => this.delivery?.stats().idle === true, 'the end of delivery');
  }

  /** Delivers everything, stops, and closes the files. */
  async finish(): Promise<void> {
    await this.delivery?.stop();
    await this.#replaced;
    await this.#cursor?.close();
    await this.log.wal.close();
  }

  async #aliveIn(generation: number): Promise<void> {
    if (this.generation !== generation) await new Promise(() => undefined);
  }

  #upstream(alive: <A extends unknown[], R>(call: (...args: A) => Promise<R>) => (...args: A) => Promise<R>) {
    const { store } = this;
    const upstream: DeliveryUpstream = {
      send: alive((body, query) => store.send(body, query)),
      describe: alive((dest, fresh) => store.describe(dest, fresh)),
      find: alive((wanted) => store.find(wanted)),
      haveRaw: alive((stored) => store.haveRaw(stored)),
      texts: alive((index, member, ids) => store.texts(index, member, ids)),
      ensureMapping: alive((dest) => store.ensureMapping(dest)),
      countUnsigned: alive((index) => store.countUnsigned(index)),
    };
    return upstream;
  }

  #host(
    generation: number,
    alive: <A extends unknown[], R>(call: (...args: A) => Promise<R>) => (...args: A) => Promise<R>,
  ): DeliveryHost {
    return {
      control: alive(async (kind: 'place' | 'reject' | 'retry', body: object, details?: RejectDetail[]) => {
        await this.controlGate();
        await this.log.controlRecord({ [kind]: body }, details ?? []);
      }),
      settled: (outcomes) => {
        if (this.generation === generation) this.settled.push(...outcomes);
      },
      trim: (before) => {
        if (this.generation === generation) this.trims.push(before);
      },
      event: (_level, name, fields) => {
        if (this.generation === generation) this.events.push({ name, fields });
      },
    };
  }
}
