/**
 * The appends that wait for the disk, in order, counted in bytes as they will stand on it.
 * Owns the answers: each append is resolved or refused exactly once.
 */

import { LogsealError } from '../errors.ts';
import { bodyCrcOf, frameBytes } from '../lib/frame.ts';
import type { Position } from './position.ts';
import type { Space } from './space.ts';

export interface Append {
  payload: Buffer;
  /** Of a payload that goes to disk as it is. */
  bodyCrc: number | undefined;
  /** On disk, with header, padding, and what encryption adds. */
  bytes: number;
  space: Space;
  resolve(position: Position): void;
  reject(error: Error): void;
}

export class AppendQueue {
  #waiting: Append[] = [];
  #flying: Append[] = [];
  #bytes = 0;
  readonly #addedBytes: number;

  /** `addedBytes`: what each payload gains by encryption; 0 means that there is none. */
  constructor(addedBytes: number) {
    this.#addedBytes = addedBytes;
  }

  /** What a payload of `length` bytes takes on disk. */
  bytesOf(length: number): number {
    return frameBytes(length + this.#addedBytes);
  }

  /** Bytes of all that is not yet answered. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The append that is next. */
  get first(): Append | undefined {
    return this.#waiting[0];
  }

  /** Whether an append that may only use normal space waits. */
  get hasNormal(): boolean {
    return this.#waiting.some((append) => append.space === 'normal');
  }

  add(payload: Buffer, space: Space): Promise<Position> {
    const bytes = this.bytesOf(payload.length);
    // The checksum is taken here, while an earlier group is on its way to the disk.
    const bodyCrc = this.#addedBytes === 0 ? bodyCrcOf(payload) : undefined;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ payload, bodyCrc, bytes, space, resolve, reject });
      this.#bytes += bytes;
    });
  }

  /** Takes those that go together: in order, up to `room` bytes, at least one. They fly until they are answered. */
  take(room: number): Append[] {
    let bytes = 0;
    let count = 0;
    for (const append of this.#waiting) {
      if (count > 0 && bytes + append.bytes > room) break;
      bytes += append.bytes;
      count += 1;
    }
    this.#flying = this.#waiting.splice(0, count);
    return this.#flying;
  }

  /** Answers those that fly: they stand on disk one after another from `position` on. */
  resolveFlying({ segment, offset }: Position): void {
    let at = offset;
    for (const append of this.#flying.splice(0)) {
      this.#bytes -= append.bytes;
      append.resolve({ segment, offset: at });
      at += append.bytes;
    }
  }

  /** Refuses those of `space` that fly, or all; the others still fly and are returned. */
  refuseFlying(space: Space | undefined, error: LogsealError): Append[] {
    this.#flying = this.#refuse(this.#flying, space, error);
    return this.#flying;
  }

  refuseWaiting(space: Space | undefined, error: LogsealError): void {
    this.#waiting = this.#refuse(this.#waiting, space, error);
  }

  #refuse(appends: readonly Append[], space: Space | undefined, error: LogsealError): Append[] {
    const kept: Append[] = [];
    for (const append of appends) {
      if (space !== undefined && append.space !== space) {
        kept.push(append);
        continue;
      }
      this.#bytes -= append.bytes;
      append.reject(error);
    }
    return kept;
  }
}

/** LOG_FULL: nothing of the append was kept; it can be tried again. */
export function fullError(what: string, details: Record<string, unknown> = {}): LogsealError {
  return new LogsealError('LOG_FULL', `${what} is full`, details);
}
