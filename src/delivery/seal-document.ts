/** Seals and checkpoints as documents of the search engine (FORMAT section 6), each with the action line that creates it. */
import assert from 'node:assert/strict';
import type { SealEntry } from '../journal/seal-entry.ts';

export interface SealDocument {
  index: 'logseal-seals' | 'logseal-checkpoints';
  member: 'seal' | 'checkpoint';
  id: string;
  text: string;
  /** Action line and document. */
  lines: Buffer;
}

/** Id `<chain>-<epoch>`. */
export function sealDocument({ seal, entry }: SealEntry): SealDocument {
  const text = seal.toString();
  const chain = Buffer.from(lineOf(text, 'chain'), 'hex').toString('base64url');
  const id = `${chain}-${lineOf(text, 'epoch')}`;
  return lines('logseal-seals', 'seal', id, text, { '@timestamp': closedAt(text), seal: text, entry });
}

/** Id `<key id hex>-<size>`: the key id is the first four bytes of the note's signature. */
export function checkpointDocument({ seal, checkpoint }: SealEntry): SealDocument {
  const text = checkpoint.toString();
  const [origin, size] = text.split('\n', 2);
  const signature = text.split('\n').find((line) => line.startsWith(`— ${origin} `));
  assert(signature !== undefined && size !== undefined, 'a checkpoint of the log is no signed note');
  const keyId = Buffer.from(signature.slice(signature.lastIndexOf(' ') + 1), 'base64').toString('hex', 0, 4);
  const timestamp = closedAt(seal.toString());
  return lines('logseal-checkpoints', 'checkpoint', `${keyId}-${size}`, text, {
    '@timestamp': timestamp,
    checkpoint: text,
  });
}

function lines(
  index: SealDocument['index'],
  member: SealDocument['member'],
  id: string,
  text: string,
  document: Record<string, unknown>,
): SealDocument {
  const action = JSON.stringify({ create: { _index: index, _id: id } });
  return { index, member, id, text, lines: Buffer.from(`${action}\n${JSON.stringify(document)}\n`) };
}

function closedAt(seal: string): string {
  return new Date(Number(lineOf(seal, 'closed'))).toISOString();
}

function lineOf(seal: string, name: string): string {
  const line = seal.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  assert(line !== undefined, `a seal of the log has no line ${name}`);
  return line.slice(name.length + 1);
}
