/**
 * The members of the signature field (FORMAT section 4): names in their order, which must be there, and how wide each is.
 */
import { saltBytes } from './content.ts';
import { chainIdBytes } from './key-tree.ts';
import { hashBytes, tagBytes } from './suite.ts';

export interface SignatureField {
  readonly suite: number;
  /** 0 data, 1 control. */
  readonly type: 0 | 1;
  /** Bit 0: the shipper gave the id. */
  readonly flags: 0 | 1;
  /** 16 bytes. */
  readonly chain: Buffer;
  readonly epoch: number;
  readonly index: number;
  readonly seq: number;
  /** Milliseconds. */
  readonly timeMs: number;
  readonly dest: string;
  /** The id that the shipper gave: there if, and only if, flags bit 0 is set. */
  readonly id?: string;
  /** C, 32 bytes. */
  readonly hash?: Buffer;
  /** P, 16 bytes. */
  readonly prev: Buffer;
  /** T, 16 bytes. */
  readonly tag: Buffer;
  /** 16 bytes; missing only in an erased record. */
  readonly salt?: Buffer;
  /** The content's bytes. */
  readonly raw?: Buffer;
  /** Checksums that decide nothing: name and lower-case hexadecimal. */
  readonly digests?: Readonly<Record<string, string>>;
}

/** `unsupported`: written by a later version or with an unknown suite, so it cannot be judged. Otherwise it is malformed. */
export type ParsedField = { ok: true; field: SignatureField } | { ok: false; unsupported: boolean; reason: string };

/** The members, in the order of writing. */
export const memberNames = [
  'v',
  'suite',
  'type',
  'flags',
  'chain',
  'epoch',
  'index',
  'seq',
  'time',
  'dest',
  'id',
  'hash',
  'prev',
  'tag',
  'salt',
  'raw',
  'digests',
] as const;
export type MemberName = (typeof memberNames)[number];

/** Those that every field has. */
export const requiredMembers: readonly MemberName[] = [
  'v',
  'suite',
  'chain',
  'epoch',
  'index',
  'seq',
  'time',
  'dest',
  'prev',
  'tag',
];

const u32Max = 0xffff_ffff;
/** The largest value of each integer: its width, or what a safe integer can say. */
export const integerMax: Partial<Record<MemberName, number>> = {
  v: u32Max,
  suite: 0xff,
  type: 0xff,
  flags: 0xffff,
  epoch: u32Max,
  index: u32Max,
  seq: Number.MAX_SAFE_INTEGER,
  time: Number.MAX_SAFE_INTEGER,
};

/** Bytes of each binary member. */
export const byteLength: Partial<Record<MemberName, number>> = {
  chain: chainIdBytes,
  hash: hashBytes,
  prev: tagBytes,
  tag: tagBytes,
  salt: saltBytes,
};

/** A dest or id takes at most what a header's u16 length can say. */
export const textBytesMax = 0xffff;
