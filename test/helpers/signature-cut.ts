/** Takes a spliced signature field out of a document again, by the text of the format page and not by what the verifier reads with. */
import { findMember, skipValue } from '../../src/lib/json-bytes.ts';

export interface SignatureCut {
  /** The bytes of the member's value. */
  field: Buffer;
  /** The document without the member. */
  content: Buffer;
  /** Another top-level member has its name. */
  twice: boolean;
}

const opening = Buffer.from('{"logseal":');

/** Undefined without field. The content is the document itself where the field does not stand as the splice puts it. */
export function cutSignatureField(source: Buffer): SignatureCut | undefined {
  const spliced = source.subarray(0, opening.length).equals(opening);
  const found = findMember(source, 'logseal');
  const start = spliced ? opening.length : found;
  const end = start < 0 ? -1 : skipValue(source, start);
  if (end < 0) return undefined;
  const rest = source.subarray(source[end] === 0x2c ? end + 1 : end);
  const content = spliced ? Buffer.concat([Buffer.from('{'), rest]) : source;
  return { field: source.subarray(start, end), content, twice: found === -2 };
}
