/**
 * A record made whole again from its document in the rejects index, whose signature field holds content and salt: as bytes of the log,
 * so that it is sent as all others are. What the shipper's action line said beside the id (routing, pipeline) does not stand there.
 * A document is not believed: it must be whole, fit its own hash, and belong where records may go.
 */
import { contentHash } from '../chain/content.ts';
import { generatedId } from '../chain/record-id.ts';
import { suiteOf } from '../chain/suite.ts';
import {
  recordBytes,
  recordFixedBytes,
  recordFlags,
  recordsHeaderBytes,
  saltBytes,
  writeRecordsHeader,
} from '../journal/records-entry.ts';
import { decodeBase64Url } from '../lib/base64url.ts';
import type { JsonObject } from '../upstream/ask.ts';
import { integerAt, objectAt, textAt } from '../upstream/ask.ts';

/** The payload of a frame with this one record, or why there can be none. */
export type RejectedRecord = { payload: Buffer } | { fault: string };

/** `source` is the `_source` of the document; `chain` has 22 characters. */
export function recordOfReject(source: JsonObject, chain: string, seq: number): RejectedRecord {
  const field = objectAt(source, 'logseal');
  const suite = suiteOf(integerAt(field, 'suite') ?? 0);
  const raw = textAt(field, 'raw');
  const dest = textAt(field, 'dest');
  const bytes = (name: string, length: number) => decodeBase64Url(textAt(field, name) ?? '', length);
  const [chainId, prev, tag, salt] = [
    bytes('chain', 16),
    bytes('prev', 16),
    bytes('tag', 16),
    bytes('salt', saltBytes),
  ];
  const [epoch, index, time] = [integerAt(field, 'epoch'), integerAt(field, 'index'), integerAt(field, 'time')];
  if (suite === undefined || raw === undefined || dest === undefined || !chainId || !prev || !tag || !salt) {
    return { fault: 'its document is not whole' };
  }
  if (epoch === undefined || index === undefined || time === undefined) return { fault: 'its document is not whole' };
  if (textAt(field, 'chain') !== chain || integerAt(field, 'seq') !== seq) {
    return { fault: 'its document is that of another record' };
  }
  if ((integerAt(field, 'type') ?? 0) !== 0 || !mayGoTo(dest))
    return { fault: `no record of its kind goes to ${dest}` };
  const content = Buffer.from(raw);
  const hash = contentHash(suite, salt, content);
  const signed = bytes('hash', 32);
  if (signed !== undefined && !signed.equals(hash)) return { fault: 'its document was changed since it was signed' };
  const id = textAt(field, 'id');
  const idBytes = Buffer.from(id ?? generatedId(chainId, seq));
  const destBytes = Buffer.from(dest);
  const length = recordBytes(destBytes.length, idBytes.length, 0, content.length);
  const payload = Buffer.alloc(recordsHeaderBytes + length);
  writeRecordsHeader(payload, { suite: suite.id, chain: chainId, epoch, count: 1 });
  const at = recordsHeaderBytes;
  payload.writeUInt32BE(length, at);
  payload.writeUInt32BE(index, at + 4);
  payload.writeBigUInt64BE(BigInt(seq), at + 8);
  payload.writeBigUInt64BE(BigInt(time), at + 16);
  payload[at + 25] = flagsOf(content, id !== undefined);
  payload.writeUInt16BE(destBytes.length, at + 26);
  payload.writeUInt16BE(idBytes.length, at + 28);
  payload.writeUInt32BE(content.length, at + 32);
  let to = at + 36;
  for (const part of [hash, prev, tag]) to += part.copy(payload, to);
  to = at + recordFixedBytes;
  for (const part of [destBytes, idBytes, salt, content]) to += part.copy(payload, to);
  return { payload };
}

/** The proxy's own rights must not be lent to whoever can write into the rejects index. */
function mayGoTo(dest: string): boolean {
  return !dest.startsWith('logseal-') && (!dest.startsWith('.') || dest.startsWith('.ds-')) && dest !== '';
}

function flagsOf(content: Buffer, idGiven: boolean): number {
  const empty = /^\{\s*\}$/.test(content.toString('latin1'));
  // Arrays are not looked for: in doubt the field holds the content.
  return (
    (idGiven ? recordFlags.idGiven : 0) |
    (content.includes(0x0a) ? recordFlags.lineFeed : 0) |
    recordFlags.longNumberArray |
    (empty ? recordFlags.emptyObject : 0)
  );
}
