/** A signature field without raw, with nothing special about it. */
import type { SignatureField } from '../../src/chain/signature-members.ts';

export const plainField: SignatureField = {
  suite: 1,
  type: 0,
  flags: 0,
  chain: Buffer.alloc(16, 0xfb),
  epoch: 4294967295,
  index: 0,
  seq: 998017,
  timeMs: 1763891234567,
  dest: 'logs-app-default',
  hash: Buffer.alloc(32, 0xff),
  prev: Buffer.alloc(16, 2),
  tag: Buffer.alloc(16, 3),
  salt: Buffer.alloc(16, 4),
};
