/**
 * Which frames of the log are answered for. The cursor may stand at most at the first frame that is not: everything before
 * it is done or belongs to a lane. Owns the bytes that the main reader keeps in memory.
 */
import type { Position } from '../wal/position.ts';
import type { RecordsFrame } from './item.ts';

export class InFlight {
  /** Frames in log order; those before `#head` are answered for. */
  #frames: RecordsFrame[] = [];
  #head = 0;
  #end: Position;
  #bytes = 0;

  constructor(start: Position) {
    this.#end = start;
  }

  /** The first frame that is not answered for, or the end of what was read. */
  get position(): Position {
    return this.#frames[this.#head]?.position ?? this.#end;
  }

  /** The oldest frame that is not answered for. */
  get oldest(): RecordsFrame | undefined {
    return this.#frames[this.#head];
  }

  /** Bytes of frames from the first that is not answered for. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A frame of which `pending` items were taken; in log order. */
  add(frame: RecordsFrame): void {
    this.#end = frame.next;
    if (frame.pending === 0 && this.#head === this.#frames.length) return;
    this.#frames.push(frame);
    this.#bytes += frame.payload.length;
  }

  /** A frame in which nothing waits for an answer. */
  pass(next: Position): void {
    this.#end = next;
  }

  /** One item of the frame is answered for, or has gone to a lane. */
  settle(frame: RecordsFrame): void {
    frame.pending -= 1;
    if (frame.pending > 0 || this.#frames[this.#head] !== frame) return;
    let first = this.#frames[this.#head];
    while (first !== undefined && first.pending === 0) {
      this.#bytes -= first.payload.length;
      this.#head += 1;
      first = this.#frames[this.#head];
    }
    if (this.#head > 256 && this.#head * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
  }
}
