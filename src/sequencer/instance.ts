/**
 * Who this proxy is: the file `instance.json` of a data directory, and the key that signs its checkpoints.
 * Owns the list of active chains: a chain that is not in it has no key file and signs nothing any more.
 * Assumes the directory's lock is held.
 */
import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ControlBodies, RotateReason } from '../chain/control-form.ts';
import type { OperatorSignature } from '../chain/control-record.ts';
import { encodeVkey } from '../chain/note.ts';
import { LogsealError } from '../errors.ts';
import { readChecked, withChecksum } from '../lib/checked-json.ts';
import { replaceFile, syncDirectory } from '../lib/durable-file.ts';
import { isFullError } from '../lib/file-system.ts';

export interface ActiveChain {
  /** base64url, 22 characters. */
  id: string;
  name: string;
  suite: number;
  /** Wall clock at its creation, milliseconds. */
  createdMs: number;
}

/** A chain that is ready to replace another: an operator signs its id before it may. Its key file is there. */
export interface PreparedChain {
  /** Id of the chain that it is to replace. */
  old: string;
  createdMs: number;
  /** Of its `chain` record. */
  body: ControlBodies['chain'];
}

/** A rotation that an operator ordered: kept until it is done, so that a crash in its middle leaves it his. */
export interface OrderedRotation {
  old: string;
  new: string;
  why: RotateReason;
  operator: OperatorSignature;
}

/** An old copy of the directory was put back: nothing is delivered until an operator has rotated these. */
export interface RolledBack {
  /** Ids of the chains. */
  chains: readonly string[];
  sinceMs: number;
}

/** What a process found when it began to sign before the search engine could be asked whether it knows more. */
export interface Unconfirmed {
  /** Seals in the log. */
  size: number;
  /** Next seq of each chain, by id. */
  seqs: Readonly<Record<string, number>>;
}

export interface InstanceState {
  /** 1 had neither checksum nor `vkey`. */
  v: 2;
  /** Without blank, `+` or control character; ends in 8 random characters unless configured. */
  name: string;
  createdMs: number;
  /** Of the key in keys/checkpoint.pem. */
  vkey: string;
  /** cluster_uuid of the search engine this directory's records went to, `embedded`, or absent before the first contact. */
  upstream?: string;
  /** The search engine's answer to `GET /`, for shippers that start while it is away. */
  root?: Readonly<Record<string, unknown>>;
  /** Whether the search engine asked for credentials when it was last asked; absent before that. */
  secured?: boolean;
  /** SHA-256 of each auditor certificate that all active chains are wrapped to, hexadecimal. */
  certificates: string[];
  /** Id of the control chain; absent until one was made whole. */
  control?: string | undefined;
  /** All chains have yet to be rotated, because the search engine is another one. */
  rotateForUpstream?: boolean;
  chains: ActiveChain[];
  /** At most one for an active chain. */
  prepared?: readonly PreparedChain[];
  ordered?: readonly OrderedRotation[];
  rolledBack?: RolledBack | undefined;
  /** Since there nobody has compared with the search engine; absent while delivery goes on. */
  unconfirmed?: Unconfirmed | undefined;
  /** Before it anything may have been sent by the process whose directory this is an old copy of. */
  lookUpUntil?: { segment: number; offset: number };
  /** The highest serial that each operator's key has used, by the SHA-256 of its SPKI. */
  serials?: Readonly<Record<string, number>>;
  /** Operator keys that the newest policy of each class names. */
  policies?: Readonly<Record<string, readonly string[]>>;
  /** True once a shutdown has sealed every epoch; false while a process works on the directory. */
  clean: boolean;
}

export class Instance {
  readonly dir: string;
  readonly checkpointKey: KeyObject;
  readonly created: boolean;
  #state: InstanceState;
  #turn: Promise<void> = Promise.resolve();

  private constructor(dir: string, state: InstanceState, checkpointKey: KeyObject, created: boolean) {
    this.dir = dir;
    this.#state = state;
    this.checkpointKey = checkpointKey;
    this.created = created;
  }

  /** Reads the directory's identity, or makes one. Throws DATA_DIR_INVALID, naming the file that is damaged. */
  static async open(dir: string, configuredName: string | undefined, nowMs: number): Promise<Instance> {
    await mkdir(join(dir, 'keys'), { recursive: true, mode: 0o700 });
    const keyPath = join(dir, 'keys', 'checkpoint.pem');
    const text = await readIfThere(join(dir, 'instance.json'));
    if (text !== undefined) return Instance.#read(dir, text, keyPath);
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const name = configuredName ?? `logseal-${randomBytes(4).toString('hex')}`;
    const state: InstanceState = {
      v: 2,
      name,
      createdMs: nowMs,
      vkey: vkeyOf(name, publicKey),
      certificates: [],
      chains: [],
      clean: true,
    };
    await replaceFile(keyPath, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const instance = new Instance(dir, state, privateKey, true);
    await instance.update({});
    await syncDirectory(dir);
    return instance;
  }

  static async #read(dir: string, text: string, keyPath: string): Promise<Instance> {
    const key = await readCheckpointKey(keyPath);
    const { v, ...rest } = parseState(dir, text);
    const vkey = vkeyOf(rest.name, createPublicKey(key));
    const instance = new Instance(dir, { ...rest, v: 2, vkey }, key, false);
    if (v === 1) await instance.update({});
    else if (rest.vkey !== vkey) throw invalid(keyPath, 'is damaged: it is not the key that instance.json names');
    return instance;
  }

  get state(): Readonly<InstanceState> {
    return this.#state;
  }

  /** Origin of seals and checkpoints, and name of the checkpoint key. */
  get origin(): string {
    return originOf(this.#state.name);
  }

  get checkpointPublicKey(): KeyObject {
    return createPublicKey(this.checkpointKey);
  }

  /** Changes the state, durably when resolved. Throws LOG_FULL when the disk has no room: then the next change writes this one too. */
  update(change: Partial<InstanceState>): Promise<void> {
    this.#state = { ...this.#state, ...change };
    // One after the other: they share the temporary file.
    const turn = this.#turn.then(() => this.#write());
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #write(): Promise<void> {
    const path = join(this.dir, 'instance.json');
    try {
      await replaceFile(path, `${JSON.stringify(withChecksum(this.#state), undefined, 2)}\n`);
    } catch (cause) {
      if (!isFullError(cause)) throw cause;
      throw new LogsealError('LOG_FULL', `the disk has no room for ${path}`, { cause });
    }
  }
}

type ReadState = Omit<InstanceState, 'v' | 'vkey'> & { v: 1 | 2; vkey?: string };

function parseState(dir: string, text: string): ReadState {
  const path = join(dir, 'instance.json');
  const read = readChecked(text);
  if (!read.ok) throw invalid(path, read.reason);
  const state = read.value as unknown as ReadState;
  const readable = typeof state.name === 'string' && Array.isArray(state.chains) && Array.isArray(state.certificates);
  if (!readable || !(state.v === 1 || (state.v === 2 && read.checked))) throw invalid(path, 'is not of format 1 or 2');
  return state;
}

async function readCheckpointKey(path: string): Promise<KeyObject> {
  try {
    const key = createPrivateKey(await readFile(path));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    throw invalid(path, 'cannot be read as a private key', cause);
  }
  throw invalid(path, 'is no Ed25519 key');
}

function originOf(name: string): string {
  return `${name}/logseal`;
}

function vkeyOf(name: string, publicKey: KeyObject): string {
  return encodeVkey(originOf(name), publicKey);
}

function invalid(path: string, what: string, cause?: unknown): LogsealError {
  return new LogsealError('DATA_DIR_INVALID', `${path} ${what}`, { path, ...(cause !== undefined && { cause }) });
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
