/**
 * M under one key, for many messages: the verifier's side of tags and seals.
 * Two one-shot hashes over pads made once are twice as fast as `createHmac` with a KeyObject. Holds the key as pads in its own
 * buffers until `wipe`; must never hand them out.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import type { Suite } from './suite.ts';
import { fillPad, hashBytes, tagBytes } from './suite.ts';

/** Prefix of what a seal's mac is over. */
const sealPrefix = Buffer.from('LSP1/seal\0');

export class EpochMac {
  readonly #algorithm: string;
  readonly #block: number;
  readonly #outer: Buffer;
  readonly #computed: Buffer = Buffer.allocUnsafeSlow(hashBytes);
  readonly #computedTag: Buffer = this.#computed.subarray(0, tagBytes);
  #inner: Buffer;
  /** The part of `#inner` that the last message filled: messages are mostly of one length. */
  #filled: Buffer;

  /** `key`: K_e, 32 bytes; copied into the pads. */
  constructor(suite: Suite, key: Buffer) {
    this.#algorithm = suite.algorithm;
    this.#block = suite.blockBytes;
    this.#inner = Buffer.allocUnsafeSlow(suite.blockBytes + 1024);
    this.#filled = this.#inner;
    this.#outer = Buffer.allocUnsafeSlow(suite.blockBytes + hashBytes);
    fillPad(this.#inner, key, suite.blockBytes, 0x36);
    fillPad(this.#outer, key, suite.blockBytes, 0x5c);
  }

  /** M(K_e, first ‖ second): 32 bytes. */
  mac(first: Buffer, second?: Buffer): Buffer {
    return Buffer.from(this.#mac(first, second), 'latin1');
  }

  /** T of a header: 16 bytes. */
  tag(header: Buffer): Buffer {
    return this.mac(header).subarray(0, tagBytes);
  }

  /** Whether `tag` is T of the header, compared in constant time. */
  verifiesTag(header: Buffer, tag: Buffer): boolean {
    this.#computed.latin1Write(this.#mac(header), 0);
    return tag.length === tagBytes && timingSafeEqual(this.#computedTag, tag);
  }

  /** The mac of a seal whose lines before the mac line are given: 32 bytes. */
  sealMac(lines: Buffer): Buffer {
    return this.mac(sealPrefix, lines);
  }

  /** Destroys the key. */
  wipe(): void {
    this.#inner.fill(0);
    this.#outer.fill(0);
  }

  /** As a binary string: of all that a hash can be given as, it costs least. */
  #mac(first: Buffer, second?: Buffer): string {
    const block = this.#block;
    const end = block + first.length + (second?.length ?? 0);
    if (end > this.#inner.length) this.#grow(end);
    first.copy(this.#inner, block);
    second?.copy(this.#inner, block + first.length);
    if (end !== this.#filled.length) this.#filled = this.#inner.subarray(0, end);
    this.#outer.latin1Write(hash(this.#algorithm, this.#filled, 'latin1'), block);
    return hash(this.#algorithm, this.#outer, 'latin1');
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(bytes * 2);
    this.#inner.copy(grown, 0, 0, this.#block);
    this.#inner.fill(0);
    this.#inner = grown;
    this.#filled = grown;
  }
}
