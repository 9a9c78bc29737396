/**
 * The lanes that there are: one for each destination that refuses, up to a bound; destinations beyond it share the newest.
 */
import type { Position } from '../wal/position.ts';
import { comparePositions } from '../wal/position.ts';
import type { LaneCursor } from './cursor-keeper.ts';
import { describeRefusal } from './describe-refusal.ts';
import type { Destination } from './destinations.ts';
import type { LaneOptions } from './lane.ts';
import { Lane } from './lane.ts';
import type { Refusal } from './outcomes.ts';

export interface LanesOptions extends Omit<LaneOptions, 'brought'> {
  lanesMax: number;
  fatal(error: unknown): void;
  /** A lane is gone: what it has sent, up to `routed`, is the main reader's to know; what waited for it may go on. */
  left(): void;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes = new Set<Lane>();
  readonly #running = new Set<Promise<void>>();
  #waiting = 0;

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#lanes.size;
  }

  get parked(): number {
    let count = 0;
    for (const lane of this.#lanes) count += lane.parked;
    return count;
  }

  /** Records that lanes still have to bring. */
  get waiting(): number {
    return this.#lanes.size === 0 ? 0 : this.#waiting + this.parked;
  }

  /** Time of the oldest record of any lane that is in memory. */
  get oldestMs(): number | undefined {
    let oldest: number | undefined;
    for (const { oldestMs = Number.POSITIVE_INFINITY } of this.#lanes) oldest = Math.min(oldest ?? oldestMs, oldestMs);
    return oldest === Number.POSITIVE_INFINITY ? undefined : oldest;
  }

  /** The main reader, or an earlier process, has left so many more records to lanes. */
  take(count: number): void {
    this.#waiting += count;
  }

  positions(): Position[] {
    return Array.from(this.#lanes, (lane) => lane.position);
  }

  cursors(): LaneCursor[] {
    return Array.from(this.#lanes, (lane) => lane.cursor());
  }

  /**
   * Lanes of an earlier process. One may have been left since the cursor was written: then the main reader may have sent
   * the same records, as far as its own mark says.
   */
  restore(cursors: readonly LaneCursor[], mainSent: Position): void {
    for (const cursor of cursors) {
      const sent = comparePositions(mainSent, cursor.sent) > 0 ? mainSent : cursor.sent;
      this.#start({ ...cursor, sent }, true);
    }
  }

  /** From `position` on the destination's records are a lane's: of its own, or of one that it shares. */
  divert(destination: Destination, position: Position, why: Refusal): void {
    const { destinations, lanesMax, routed, event } = this.#options;
    const lane = [...this.#lanes].find((other) => other.members.has(destination));
    if (lane !== undefined) {
      lane.join(destination, position);
      return;
    }
    destinations.wait(destination, describeRefusal(why));
    event('warn', 'destination-held', { dest: destination.name, status: why.status, type: why.type });
    const shared = this.#lanes.size >= lanesMax ? [...this.#lanes].at(-1) : undefined;
    if (shared !== undefined) shared.join(destination, position);
    else this.#start({ dests: [destination.name], position, sent: routed(), blockedMs: 0, parked: [] }, false);
  }

  wake(): void {
    for (const lane of this.#lanes) lane.wake();
  }

  /** After the signal. */
  async stopped(): Promise<void> {
    await Promise.all(this.#running);
  }

  #start(cursor: LaneCursor, saved: boolean): void {
    const { event, fatal, left: told } = this.#options;
    const brought = (count: number) => {
      this.#waiting = Math.max(0, this.#waiting - count);
    };
    const lane = new Lane({ ...this.#options, brought }, cursor, saved, (left) => {
      this.#lanes.delete(left);
      if (this.#lanes.size === 0) this.#waiting = 0;
      for (const { name } of left.members) event('info', 'destination-released', { dest: name });
      told();
    });
    this.#lanes.add(lane);
    const running = lane
      .run()
      .catch(fatal)
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}
