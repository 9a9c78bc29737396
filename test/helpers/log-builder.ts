/**
 * Makes whole small instances in memory, as a proxy would have stored them: chains, epochs, seals, control records, checkpoints.
 * Everything is derived from a seed, so that a test fails the same way twice.
 */
import type { KeyObject } from 'node:crypto';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { contentHash } from '../../src/chain/content.ts';
import type { ControlKind } from '../../src/chain/control-form.ts';
import type { OperatorSignature } from '../../src/chain/control-record.ts';
import { encodeControl, signOperator } from '../../src/chain/control-record.ts';
import { EpochMac } from '../../src/chain/epoch-mac.ts';
import { encodeHeader } from '../../src/chain/header.ts';
import { KeyReader } from '../../src/chain/key-reader.ts';
import { leafHash, rootOf } from '../../src/chain/merkle.ts';
import { encodeVkey, signCheckpoint } from '../../src/chain/note.ts';
import { generatedId } from '../../src/chain/record-id.ts';
import type { SealReason } from '../../src/chain/seal.ts';
import { encodeSeal } from '../../src/chain/seal.ts';
import { encodeSignatureField, spliceSignatureField } from '../../src/chain/signature-field.ts';
import type { Suite } from '../../src/chain/suite.ts';
import { digest, logSuite, suiteOf } from '../../src/chain/suite.ts';
import type { TrustFile } from '../../src/chain/trust-file.ts';
import type { TextDocument } from './verify-run.ts';

export interface BuilderOptions {
  origin?: string;
  seed?: string;
  suite?: number;
  hash?: boolean;
  raw?: boolean;
  /** Wall clock of the first record. */
  time?: number;
}

export interface RecordOptions {
  dest?: string;
  index?: string;
  id?: string;
  content?: string;
  /** Overrides for a dishonest signer. */
  seq?: number;
  position?: number;
  prev?: Buffer;
  type?: 0 | 1;
  raw?: boolean;
  hash?: boolean;
}

export class BuiltChain {
  readonly reader: KeyReader;
  readonly id: string;
  readonly name: string;
  readonly secret: Buffer;
  epoch = 0;
  seq = 0;
  first = 0;
  opened = 0;
  leaves: Buffer[] = [];
  link: Buffer = Buffer.alloc(16);

  constructor(suite: Suite, secret: Buffer, name: string) {
    this.reader = KeyReader.fromSecret(suite, secret);
    this.secret = secret;
    this.name = name;
    this.id = this.reader.chain.toString('base64url');
  }

  mac(epoch: number = this.epoch): EpochMac {
    const key = this.reader.macKey(epoch);
    if (key === undefined) throw new RangeError(`no epoch ${epoch}`);
    return new EpochMac(this.reader.suite, key);
  }
}

/** Derives 32 bytes from a seed and a label. */
export function seeded(seed: string, label: string): Buffer {
  return createHash('sha256').update(`${seed}/${label}`).digest();
}

/** An Ed25519 key pair from 32 bytes. */
export function ed25519(seed: Buffer): { privateKey: KeyObject; publicKey: KeyObject } {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

export class LogBuilder {
  readonly origin: string;
  readonly suite: Suite;
  readonly control: BuiltChain;
  readonly documents: TextDocument[] = [];
  readonly operator: { privateKey: KeyObject; publicKey: KeyObject };
  readonly entries: Buffer[] = [];
  readonly #options: Required<BuilderOptions>;
  readonly #checkpointKey: KeyObject;
  readonly #vkey: string;
  readonly chains: BuiltChain[] = [];
  #serial = 0;
  now: number;

  constructor(options: BuilderOptions = {}) {
    this.#options = {
      origin: 'test/logseal',
      seed: 'seed',
      suite: 1,
      hash: true,
      raw: true,
      time: Date.UTC(2025, 11, 1),
      ...options,
    };
    const { origin, seed, suite, time } = this.#options;
    this.origin = origin;
    this.suite = suiteOf(suite) ?? logSuite;
    this.now = time;
    const { privateKey, publicKey } = ed25519(seeded(seed, 'checkpoint'));
    this.#checkpointKey = privateKey;
    this.#vkey = encodeVkey(origin, publicKey);
    this.operator = ed25519(seeded(seed, 'operator'));
    this.control = this.#newChain('control');
    this.#chainRecord(this.control);
    this.boot();
  }

  get trust(): TrustFile {
    return { origin: this.origin, vkey: this.#vkey, control: this.control.id, chains: this.chains.map(({ id }) => id) };
  }

  get secrets(): Record<string, string> {
    return Object.fromEntries(this.chains.map(({ id, secret }) => [id, secret.toString('base64url')]));
  }

  boot(): void {
    const chains = Object.fromEntries(this.chains.map(({ id, epoch, seq }) => [id, { epoch, seq }]));
    this.act('boot', {
      version: '1',
      clean: true,
      replayed: 0,
      vkey: this.#vkey,
      log: this.entries.length,
      upstream: 'embedded',
      config: '0'.repeat(64),
      chains,
    });
  }

  /** A new data chain with its creation record. */
  chain(name: string): BuiltChain {
    const chain = this.#newChain(name);
    this.#chainRecord(chain);
    return chain;
  }

  /** A control record; `signed`: by the operator. */
  act(kind: ControlKind, body: object, signed = false): TextDocument {
    let operator: OperatorSignature | undefined;
    if (signed) {
      this.#serial += 1;
      operator = signOperator(this.operator.privateKey, { origin: this.origin, serial: this.#serial, kind, body });
    }
    return this.signedAct(kind, body, operator);
  }

  /** A control record with any operator signature. */
  signedAct(kind: ControlKind, body: object, operator: OperatorSignature | undefined): TextDocument {
    const content = encodeControl(kind, body, operator).toString();
    return this.record(this.control, { dest: 'logseal-control', type: 1, content, raw: true, hash: true });
  }

  /** Content of a control record as it is given, whatever it says. */
  rawAct(content: string): TextDocument {
    return this.record(this.control, { dest: 'logseal-control', type: 1, content, raw: true, hash: true });
  }

  /** Signs and stores one record. */
  record(chain: BuiltChain, options: RecordOptions = {}): TextDocument {
    const seq = options.seq ?? chain.seq;
    const dest = options.dest ?? 'logs';
    const content = Buffer.from(options.content ?? `{"message":"record ${seq} of ${chain.name}"}`);
    this.now += 10;
    if (chain.leaves.length === 0) chain.opened = this.now;
    const salt = seeded(this.#options.seed, `${chain.id}/${seq}/salt`).subarray(0, 16);
    const position = options.position ?? chain.leaves.length;
    const base = { suite: this.suite.id, type: options.type ?? 0, flags: options.id === undefined ? 0 : 1 } as const;
    const place = { chain: chain.reader.chain, epoch: chain.epoch, index: position, seq, timeMs: this.now };
    const prev = options.prev ?? chain.link;
    const commitment = contentHash(this.suite, salt, content);
    const id = options.id ?? generatedId(chain.reader.chain, seq);
    const header = encodeHeader({ ...base, ...place, contentHash: commitment, prev, dest, id });
    const tag = Buffer.from(chain.mac().tag(header));
    const field = encodeSignatureField({
      ...base,
      ...place,
      dest,
      ...(options.id === undefined ? {} : { id: options.id }),
      ...((options.hash ?? this.#options.hash) ? { hash: commitment } : {}),
      prev,
      tag,
      salt,
      ...((options.raw ?? this.#options.raw) ? { raw: content } : {}),
    });
    chain.leaves.push(leafHash(this.suite, header, tag));
    chain.link = tag;
    chain.seq = seq + 1;
    const source = spliceSignatureField(content, Buffer.from(field)).toString('latin1');
    const document = { index: options.index ?? dest, id, source };
    this.documents.push(document);
    return document;
  }

  records(chain: BuiltChain, count: number, options: RecordOptions = {}): TextDocument[] {
    return Array.from({ length: count }, () => this.record(chain, options));
  }

  /** Names an index as a place of a destination. */
  place(dest: string, index: string = dest, documents = 0): void {
    this.act('place', { dest, index, documents });
  }

  /** A record as the rejects index has it, and the control record that names it. */
  reject(chain: BuiltChain, named = true): TextDocument {
    const document = this.record(chain, { raw: true, hash: true });
    const field = document.source.slice('{"logseal":'.length, document.source.indexOf('"},') + 2);
    document.index = 'logseal-rejects';
    document.source = `{"@timestamp":"2025-12-01T00:00:00Z","logseal":${field},"reject":{"status":400,"type":"x","reason":"y"}}`;
    const seq = chain.seq - 1;
    if (named) this.act('reject', { chain: chain.id, seqs: [[seq, seq]], reason: 'mapping' });
    return document;
  }

  /** Closes the epoch of a chain and appends its seal to the log. */
  seal(
    chain: BuiltChain,
    reason: SealReason = 'time',
    changes: { root?: Buffer; prev?: Buffer; count?: number; first?: number } = {},
  ): TextDocument {
    this.now += 10;
    const count = changes.count ?? chain.leaves.length;
    const text = encodeSeal(
      {
        origin: this.origin,
        suite: this.suite.id,
        chain: chain.reader.chain,
        epoch: chain.epoch,
        first: changes.first ?? chain.first,
        count,
        root:
          changes.root ??
          (chain.leaves.length === 0 ? digest(this.suite, Buffer.alloc(0)) : rootOf(this.suite, chain.leaves)),
        prev: changes.prev ?? chain.link,
        opened: chain.leaves.length === 0 ? this.now : chain.opened,
        closed: this.now,
        reason,
        anchor: undefined,
      },
      (lines) => chain.mac().sealMac(lines),
    );
    const document = this.sealDocument(chain, text, this.entries.length);
    this.entries.push(text);
    this.documents.push(document);
    chain.link = Buffer.from(/\nmac (.*)\n$/.exec(text.toString())?.[1] ?? '', 'base64').subarray(0, 16);
    chain.epoch += 1;
    chain.first = chain.seq;
    chain.leaves = [];
    return document;
  }

  sealDocument(chain: BuiltChain, text: Buffer, entry: number): TextDocument {
    const source = { '@timestamp': new Date(this.now).toISOString(), seal: text.toString(), entry };
    return { index: 'logseal-seals', id: `${chain.id}-${chain.epoch}`, source: JSON.stringify(source) };
  }

  sealAll(reason: SealReason = 'time'): void {
    for (const chain of this.chains.toReversed()) this.seal(chain, reason);
  }

  /** The checkpoint over all seals so far, or over the first `size`. */
  checkpoint(size: number = this.entries.length, root?: Buffer): TextDocument {
    const document = {
      index: 'logseal-checkpoints',
      id: `${size}`,
      source: JSON.stringify({ checkpoint: this.note(size, root) }),
    };
    document.source = Buffer.from(document.source).toString('latin1');
    this.documents.push(document);
    return document;
  }

  note(size: number = this.entries.length, root?: Buffer): string {
    const leaves = this.entries.slice(0, size).map((entry) => leafHash(logSuite, entry));
    return signCheckpoint({ origin: this.origin, size, root: root ?? rootOf(logSuite, leaves) }, this.#checkpointKey);
  }

  #newChain(name: string): BuiltChain {
    const secret = seeded(this.#options.seed, `${this.origin}/${name}/${this.chains.length}`);
    const chain = new BuiltChain(this.suite, secret, name);
    this.chains.push(chain);
    return chain;
  }

  #chainRecord(chain: BuiltChain): void {
    const { id, name } = chain;
    const body = { id, name, suite: this.suite.id, wrapped: '', certificates: [], origin: this.origin };
    this.act('chain', body);
  }
}
