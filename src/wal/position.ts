/** Where a frame begins: its segment, and the byte offset in it. Stays valid over restarts until the segment is deleted. */
export interface Position {
  segment: number;
  offset: number;
}

/** Negative, zero or positive, as `a` lies before, at or after `b`. */
export function comparePositions(a: Position, b: Position): number {
  return a.segment - b.segment || a.offset - b.offset;
}

export function describePosition(position: Position): string {
  return `segment ${position.segment}, byte ${position.offset}`;
}

/** Checks a value that was read back. Throws TypeError for another shape. */
export function readPosition(value: unknown): Position {
  const { segment, offset } = (value ?? {}) as Partial<Position>;
  if (!Number.isSafeInteger(segment) || !Number.isSafeInteger(offset)) throw new TypeError('not a position');
  return { segment: segment as number, offset: offset as number };
}
