/**
 * The chains that this run trusts, numbered, with their keys as far as the verifier has them.
 *
 * Owns chain numbers and open key material. Assumes that a chain was put in by the trust file, by what the verifier pinned, or
 * by a verified control record. Must never take a chain from a data record.
 */
import { EpochMac } from '../chain/epoch-mac.ts';
import { KeyReader } from '../chain/key-reader.ts';
import type { Suite } from '../chain/suite.ts';
import { suites } from '../chain/suite.ts';

const epochsKept = 128;

/** `none`: no secret for it. `bad`: a secret that makes another chain. `public`: the verifier goes without keys. */
export type KeyStanding = 'ready' | 'none' | 'bad' | 'public';

export class TrustedChain {
  readonly number: number;
  /** 22 characters. */
  readonly id: string;
  readonly idBytes: Buffer;
  readonly instance: number;
  name = '';
  /** What the key, or without one the creation record, says. */
  suite: Suite | undefined;
  key: KeyStanding = 'none';
  /** Why it is judged without its key in a run with keys; its records are then never OK. */
  lacks: 'none' | 'bad' | undefined;
  /** When its creation record was signed; undefined if it is known otherwise. */
  createdAt: number | undefined;
  /** Documents that name it, of whatever verdict. */
  documents = 0;
  #reader: KeyReader | undefined;
  readonly #macs: Map<number, EpochMac> = new Map();

  constructor(number: number, id: string, instance: number) {
    this.number = number;
    this.id = id;
    this.idBytes = Buffer.from(id, 'base64url');
    this.instance = instance;
  }

  /** Takes S_chain; the chain's id says which suite it was made for. The caller overwrites `secret`. */
  open(secret: Buffer): void {
    if (this.key === 'ready') return;
    for (const suite of secret.length === 32 ? suites : []) {
      const reader = KeyReader.fromSecret(suite, secret);
      if (reader.chain.equals(this.idBytes)) {
        this.#reader = reader;
        this.suite = suite;
        this.key = 'ready';
        return;
      }
      reader.wipe();
    }
    this.key = 'bad';
  }

  /** Trust has been grown, and nothing opened it: from now on it is judged as by somebody without keys. */
  goWithout(): void {
    if (this.key !== 'none' && this.key !== 'bad') return;
    this.lacks = this.key;
    this.key = 'public';
  }

  /** M under K_e; undefined without key. Good until many other epochs have been asked for. */
  epochMac(epoch: number): EpochMac | undefined {
    const known = this.#macs.get(epoch);
    if (known !== undefined || this.#reader === undefined) return known;
    const key = this.#reader.macKey(epoch);
    if (key === undefined) return undefined;
    if (this.#macs.size >= epochsKept) this.#forgetOldest();
    const made = new EpochMac(this.#reader.suite, key);
    key.fill(0);
    this.#macs.set(epoch, made);
    return made;
  }

  wipe(): void {
    this.#reader?.wipe();
    for (const epochMac of this.#macs.values()) epochMac.wipe();
    this.#macs.clear();
  }

  #forgetOldest(): void {
    for (const [epoch, epochMac] of this.#macs) {
      epochMac.wipe();
      this.#macs.delete(epoch);
      return;
    }
  }
}

export class ChainBook {
  readonly chains: TrustedChain[] = [];
  readonly #byId: Map<string, TrustedChain> = new Map();

  /** Adds a chain to an instance; a chain that is known stays where it is. */
  add(id: string, instance: number): TrustedChain {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const chain = new TrustedChain(this.chains.length, id, instance);
    this.chains.push(chain);
    this.#byId.set(id, chain);
    return chain;
  }

  get(id: string): TrustedChain | undefined {
    return this.#byId.get(id);
  }

  /** A chain that turns out not to be trusted: its number stays taken. */
  remove(id: string): void {
    this.#byId.delete(id);
  }

  /** Chains that are trusted. */
  trusted(): TrustedChain[] {
    return this.chains.filter(({ id }) => this.#byId.has(id));
  }

  wipe(): void {
    for (const chain of this.chains) chain.wipe();
  }
}
