/** Takes the operations on some destinations out of a parsed request, for a client that may not write there. */
import { descriptor, descriptorWidth } from './batch.ts';
import { BatchBuilder } from './batch-builder.ts';
import { forbidden } from './item-error.ts';
import type { ParsedBulk } from './parse-bulk.ts';
import { signedBit } from './parse-bulk.ts';

/** A copy in which each signed operation on a destination of `reasons` is an item error with that sentence. */
export function denyDestinations(parsed: ParsedBulk, reasons: ReadonlyMap<string, string>): ParsedBulk {
  const { batch } = parsed;
  const builder = new BatchBuilder(batch.body, batch.count);
  const errors = new Map(parsed.errors);
  const kinds = Uint8Array.from(parsed.kinds);
  let at = 0;
  for (let operation = 0; operation < parsed.count; operation++) {
    const kind = kinds[operation] as number;
    if ((kind & signedBit) === 0) continue;
    const read = (member: number) => batch.descriptors[at + member] as number;
    const dest = batch.dests[read(descriptor.dest)] as string;
    const id = batch.ids[read(descriptor.id)];
    const reason = reasons.get(dest);
    if (reason === undefined) {
      const destIndex = builder.destIndex(dest);
      const meta = builder.metaIndex(batch.metas[read(descriptor.meta)]);
      const contentEnd = read(descriptor.contentEnd);
      builder.add(read(descriptor.contentStart), contentEnd, destIndex, id, meta, read(descriptor.flags));
    } else {
      kinds[operation] = kind & ~signedBit;
      errors.set(operation, forbidden(dest, id, reason));
    }
    at += descriptorWidth;
  }
  return { ...parsed, batch: builder.build(), errors, kinds };
}
