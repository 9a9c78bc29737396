/**
 * C, the salted commitment to a record's content (FORMAT section 4). Whoever lacks the salt cannot guess the content from C.
 * Content is bytes, from `{` to the matching `}`; it must never be parsed or written anew before it is hashed.
 */
import type { Suite } from './suite.ts';
import { digest } from './suite.ts';

/** What C is over, before the salt. */
export const contentPrefix = Buffer.from('LSP1/content\0');

/** Bytes of a salt. */
export const saltBytes = 16;

/** C: 32 bytes. `salt` is 16 bytes. */
export function contentHash(suite: Suite, salt: Buffer, content: Buffer): Buffer {
  return digest(suite, contentPrefix, salt, content);
}
