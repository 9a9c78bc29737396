/**
 * The seal of an epoch (FORMAT section 5): lines of text that say how many records it had, their root, and that this is all.
 * Owns its one encoder and one strict decoder: another order, spelling or line end is no seal. Whether what it says fits the records and
 * the seals around it is judged elsewhere.
 */
import { isUtf8 } from 'node:buffer';
import { timingSafeEqual } from 'node:crypto';
import { decodeBase64 } from '../lib/base64url.ts';
import type { EpochMac } from './epoch-mac.ts';
import { hashBytes, tagBytes } from './suite.ts';

export const sealReasons = ['size', 'time', 'shutdown', 'recovery', 'rotate', 'idle'] as const;
export type SealReason = (typeof sealReasons)[number];

export interface SealStatement {
  /** `<instance name>/logseal` */
  readonly origin: string;
  readonly suite: number;
  /** 16 bytes. */
  readonly chain: Buffer;
  readonly epoch: number;
  /** Seq of its first record, or with count 0 the chain's next. */
  readonly first: number;
  readonly count: number;
  /** Merkle root of its leaves, 32 bytes. */
  readonly root: Buffer;
  /** Tag of its last record, or with count 0 what P of its first would be: 16 bytes. */
  readonly prev: Buffer;
  /** Milliseconds, like `closed`. */
  readonly opened: number;
  readonly closed: number;
  readonly reason: SealReason;
  /** SHA-256 of the newest anchor received. */
  readonly anchor: Buffer | undefined;
}

export interface Seal extends SealStatement {
  /** 32 bytes. */
  readonly mac: Buffer;
  /** All lines before the mac line: what the mac is over, behind its prefix. A view of the text. */
  readonly lines: Buffer;
}

export type DecodedSeal = { ok: true; seal: Seal } | { ok: false; reason: string };

const firstLine = 'LSP1 seal';
/** A seal is some 500 bytes; the instance's name has no other bound. */
const sealBytesMax = 16_384;
const epochMax = 0xffff_ffff;

/** The seal's text. `macOf` is given all lines before the mac line and returns their mac under K_e, 32 bytes. */
export function encodeSeal(statement: SealStatement, macOf: (lines: Buffer) => Buffer): Buffer {
  const text = [
    firstLine,
    `origin ${statement.origin}`,
    `suite ${statement.suite}`,
    `chain ${statement.chain.toString('hex')}`,
    `epoch ${statement.epoch}`,
    `first ${statement.first}`,
    `count ${statement.count}`,
    `root ${statement.root.toString('base64')}`,
    `prev ${statement.prev.toString('base64')}`,
    `opened ${statement.opened}`,
    `closed ${statement.closed}`,
    `reason ${statement.reason}`,
    `anchor ${statement.anchor?.toString('base64') ?? '-'}`,
    '',
  ].join('\n');
  const lines = Buffer.from(text);
  return Buffer.concat([lines, Buffer.from(`mac ${macOf(lines).toString('base64')}\n`)]);
}

/** Reads one seal, its last LF included. */
export function decodeSeal(text: Buffer): DecodedSeal {
  if (text.length > sealBytesMax || !isUtf8(text)) return { ok: false, reason: 'is too long or not UTF-8' };
  const reader = new LineReader(text.toString('utf8'));
  if (reader.line() !== firstLine) return { ok: false, reason: `does not begin with ${firstLine}` };
  const origin = reader.origin();
  const suite = reader.integer('suite', 0xff);
  const chain = reader.matching('chain', /^[0-9a-f]{32}$/);
  const epoch = reader.integer('epoch', epochMax);
  const first = reader.integer('first', Number.MAX_SAFE_INTEGER);
  const count = reader.integer('count', epochMax + 1);
  const root = reader.base64('root', hashBytes);
  const prev = reader.base64('prev', tagBytes);
  const opened = reader.integer('opened', Number.MAX_SAFE_INTEGER);
  const closed = reader.integer('closed', Number.MAX_SAFE_INTEGER);
  const reason = reader.reason();
  const anchor = reader.anchor();
  const mac = reader.base64('mac', hashBytes);
  reader.end();
  if (!Number.isSafeInteger(first + count)) reader.refuse('first and count exceed 2^53');
  if (reader.refusal !== undefined || reason === undefined) return { ok: false, reason: reader.refusal ?? 'no reason' };
  const lines = text.subarray(0, text.lastIndexOf('\nmac ') + 1);
  const statement = {
    origin,
    suite,
    chain: Buffer.from(chain, 'hex'),
    epoch,
    first,
    count,
    root,
    prev,
    opened,
    closed,
  };
  return { ok: true, seal: { ...statement, reason, anchor, mac, lines } };
}

/** Whether the seal's mac is right under the key of its epoch. */
export function verifySealMac(seal: Seal, key: EpochMac): boolean {
  return timingSafeEqual(key.sealMac(seal.lines), seal.mac);
}

const noBytes = Buffer.alloc(0);

/** Takes line after line; remembers the first that is wrong, and from then on gives values that nobody uses. */
class LineReader {
  readonly #lines: string[];
  #at = 0;
  refusal: string | undefined;

  constructor(text: string) {
    this.#lines = text.split('\n');
  }

  refuse(reason: string): void {
    this.refusal ??= reason;
  }

  line(): string {
    return this.#lines[this.#at++] ?? '';
  }

  /** The value of the line that must begin with this name. */
  value(name: string): string {
    const line = this.line();
    if (line.startsWith(`${name} `)) return line.slice(name.length + 1);
    this.refuse(`line ${this.#at} is not ${name}`);
    return '';
  }

  matching(name: string, form: RegExp): string {
    const value = this.value(name);
    if (!form.test(value)) this.refuse(`${name} has another form`);
    return value;
  }

  integer(name: string, max: number): number {
    const value = Number(this.matching(name, /^(?:0|[1-9][0-9]{0,15})$/));
    if (value > max) this.refuse(`${name} is out of range`);
    return value;
  }

  base64(name: string, length: number): Buffer {
    const bytes = decodeBase64(this.value(name), length);
    if (bytes === undefined) this.refuse(`${name} is not ${length} bytes of base64`);
    return bytes ?? noBytes;
  }

  origin(): string {
    // Blanks of any alphabet and control characters; the plus sign separates the parts of a vkey.
    return this.matching('origin', /^[^\s\p{Cc}+]+\/logseal$/u);
  }

  reason(): SealReason | undefined {
    const value = this.value('reason');
    const reason = sealReasons.find((known) => known === value);
    if (reason === undefined) this.refuse('reason is unknown');
    return reason;
  }

  anchor(): Buffer | undefined {
    if (this.#lines[this.#at] !== 'anchor -') return this.base64('anchor', hashBytes);
    this.#at++;
    return undefined;
  }

  end(): void {
    if (this.#at !== this.#lines.length - 1 || this.#lines[this.#at] !== '')
      this.refuse('has more or less than its lines');
  }
}
