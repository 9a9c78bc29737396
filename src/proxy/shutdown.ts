/**
 * The orderly end: stop accepting, finish, seal, deliver what can be, fsync, leave. Keeps a list of what is still to do, so that
 * whoever loses patience can say what was left undone. Nothing of it is needed for safety: what waits stays in the log, and the
 * next start recovers from any point.
 */
import { systemClock } from '../lib/clock.ts';
import type { EventLog } from '../log.ts';
import { comparePositions } from '../wal/position.ts';
import type { Doors } from './doors.ts';
import type { Stages } from './stages.ts';

export interface ShutdownOptions {
  stages: Stages;
  doors: Doors;
  log: Pick<EventLog, 'event'>;
  /** The bound on all of it. The wait for delivery takes two thirds of it at most, so that the rest has time. */
  timeoutMs: number;
}

const graceMsMax = 5_000;
const lookMs = 100;

export class Shutdown {
  readonly #options: ShutdownOptions;
  readonly #steps: [what: string, act: () => Promise<unknown> | unknown][];
  /** Why delivery is not waited for any more. */
  #why = 'not done in time';
  #over = false;

  constructor(options: ShutdownOptions) {
    this.#options = options;
    const { stages, doors } = options;
    const { signing, wal, delivery, contact, upstream, store, lock, unsealed } = stages;
    const graceMs = Math.min(graceMsMax, options.timeoutMs / 6);
    let gone: Promise<unknown> = Promise.resolve();
    this.#steps = [
      [
        'answers to requests under way',
        () => {
          gone = this.#gone();
          signing.admission.close();
          return doors.server.stop(graceMs);
        },
      ],
      // A start just over may still owe chains a rotation, which must come before they are sealed.
      ['rotation of chains', () => Promise.race([contact.opened(), gone])],
      ['seals of all epochs', () => signing.sealData()],
      ['delivery of records', () => delivery.drained(wal.durable, gone)],
      ['seal of the control chain', () => signing.sealControl()],
      ['delivery of seals', async () => this.#say(await delivery.drained(wal.durable, gone))],
      [
        'end of the delivery thread',
        () => {
          contact.stop();
          return delivery.stop(graceMs);
        },
      ],
      ['keys and seal log', () => signing.close()],
      // First the cursor: a save under way is followed by a trim, which needs the log open.
      ['write-ahead log', () => unsealed.close().then(() => wal.close())],
      ['connections', () => upstream.close()],
      ['embedded store', () => store?.stop()],
      ['admin port', () => doors.admin.stop()],
      ['lock', () => lock.release()],
    ];
  }

  /** What is still to be done, the step under way first. */
  get undone(): string[] {
    return this.#steps.map(([what]) => what);
  }

  async run(): Promise<void> {
    for (let step = this.#steps[0]; step !== undefined; step = this.#steps[0]) {
      await step[1]();
      this.#steps.shift();
    }
  }

  #say(drained: boolean): void {
    this.#over = true;
    const { log, stages } = this.#options;
    if (!drained) log.event('delivery-left', { ...waitingFields(stages), reason: this.#why });
  }

  /** Resolves when waiting for delivery helps no more. */
  async #gone(): Promise<void> {
    const { stages, timeoutMs } = this.#options;
    const until = systemClock.monotonic() + (timeoutMs * 2) / 3;
    void stages.contact.away().then(() => {
      this.#why =
        stages.contact.problem?.reason ?? `the search engine takes nothing: ${stages.delivery.stats?.unreachable}`;
      this.#over = true;
    });
    while (!this.#over && systemClock.monotonic() < until) {
      await new Promise<void>((resolve) => systemClock.after(lookMs, resolve));
      const held = heldBack(stages);
      if (held === undefined) continue;
      this.#why = held;
      return;
    }
  }
}

/** What waits, for an event. */
export function waitingFields({ waiting }: Pick<Stages, 'waiting'>): { waitingRecords?: number; waitingBytes: number } {
  const { records, bytes } = waiting();
  return { ...(records !== undefined && { waitingRecords: records }), waitingBytes: bytes };
}

/** Everything but the records of destinations that refuse is delivered: why these do. */
function heldBack({ delivery, wal }: Stages): string | undefined {
  const { stats } = delivery;
  const [first] = stats?.held ?? [];
  if (stats === undefined || first === undefined || comparePositions(stats.main, wal.durable) < 0) return undefined;
  return `${first.dest} is held: ${first.reason}`;
}
