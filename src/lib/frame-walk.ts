/**
 * Reads all frames of one file for somebody who only looks at it, maybe while its owner writes on. Never throws for what the
 * bytes are: it says where they end and what is wrong with them. What looks damaged in a file that still grows is looked at
 * again before it is called so, because a write under way is seen in parts.
 */
import { BufferPool } from './buffer-pool.ts';
import type { DiskFile } from './file-system.ts';
import type { FramePlace } from './frame.ts';
import type { FrameRun } from './frame-file.ts';
import { fileHeaderBytes, findProofOfDamage, readFrames } from './frame-file.ts';

/** Called with each frame in order, marks (length 0) included. `payload` is lent: it is not kept. */
export type FrameVisitor = (payload: Buffer, offset: number, next: number) => void;

export interface FrameWalk {
  /** One past the last whole frame. */
  end: number;
  /** Bytes between that and the bound that are no frame, and of which nobody was promised anything. */
  tailBytes: number;
  /** The first place at which bytes that were durable once are no frame; nothing after it was read. */
  damage: { offset: number; what: string } | undefined;
}

/** For walks of files one after another: keeps a piece of 4 MiB, and a larger one for a frame that does not fit into it. */
export function walkPool(): BufferPool {
  return new BufferPool(24 * 1024 * 1024);
}

/** `knownEnd`: where the frames have to end; undefined for a file that may still be written to. */
export async function walkFrames(
  file: DiskFile,
  place: FramePlace,
  knownEnd: number | undefined,
  visit: FrameVisitor,
  pool: BufferPool,
): Promise<FrameWalk> {
  const bound = knownEnd ?? (await file.size());
  let at = fileHeaderBytes;
  for (;;) {
    const run = await readFrames(file, place, at, Math.max(bound, at), pool);
    at = visitRun(run, visit, pool);
    if (run.stop === 'piece') continue;
    if (run.stop === 'bound') return { end: at, tailBytes: 0, damage: undefined };
    if (knownEnd !== undefined) return damaged(at, 'a frame is missing or fails its checksum');
    // Proof first, then the bytes once more: what had been written before the proof is whole by now, or never will be.
    const size = await file.size();
    const proof = await findProofOfDamage(file, place, at, size);
    const again = await readFrames(file, place, at, size, pool);
    const moved = again.frames.length > 0;
    at = visitRun(again, visit, pool);
    if (moved && at < bound) continue;
    if (moved) return { end: at, tailBytes: 0, damage: undefined };
    if (proof === undefined) return { end: at, tailBytes: Math.max(0, size - at), damage: undefined };
    return damaged(at, `a frame fails its checksum, though frames follow (at byte ${proof})`);
  }
}

function visitRun(run: FrameRun, visit: FrameVisitor, pool: BufferPool): number {
  for (const { payload, offset, next } of run.frames) visit(payload, offset, next);
  pool.giveBack(run.bytes);
  return run.next;
}

function damaged(offset: number, what: string): FrameWalk {
  return { end: offset, tailBytes: 0, damage: { offset, what } };
}
