/** A record by somebody who knows the format and not the key: everything is right but the tag. */
import { randomBytes } from 'node:crypto';
import { contentHash } from '../../src/chain/content.ts';
import { encodeHeader } from '../../src/chain/header.ts';
import { generatedId } from '../../src/chain/record-id.ts';
import { encodeSignatureField, spliceSignatureField } from '../../src/chain/signature-field.ts';
import { logSuite, mac } from '../../src/chain/suite.ts';

export interface ForgedPlace {
  /** 22 characters. */
  chain: string;
  epoch: number;
  index: number;
  seq: number;
  timeMs: number;
  dest: string;
  /** Tag of the record before, 16 bytes. */
  prev: Buffer;
}

export function forgedRecord(place: ForgedPlace, text: string): { id: string; source: string } {
  const content = Buffer.from(text);
  const chain = Buffer.from(place.chain, 'base64url');
  const salt = randomBytes(16);
  const base = { suite: logSuite.id, type: 0, flags: 0, ...place, chain } as const;
  const hash = contentHash(logSuite, salt, content);
  const id = generatedId(chain, place.seq);
  const tag = mac(logSuite, randomBytes(32), encodeHeader({ ...base, contentHash: hash, id })).subarray(0, 16);
  const field = encodeSignatureField({ ...base, hash, tag, salt });
  return { id, source: spliceSignatureField(content, Buffer.from(field)).toString() };
}
