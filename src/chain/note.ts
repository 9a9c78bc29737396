/**
 * C2SP signed notes with Ed25519, and their vkeys (c2sp.org/signed-note): text, an empty line, signature lines.
 *
 *   vkey   <name>+<key id, 8 hex>+<base64 of 01 ‖ public key 32>       key id = SHA-256(name ‖ LF ‖ 01 ‖ public key)[0..4]
 *   line   — <name> <base64 of key id 4 ‖ signature 64>                signature over the text with its last LF
 *
 * A checkpoint (FORMAT section 6) is a note of three lines, origin, size and base64 root, without extension lines; its key's name is the
 * origin. Whether two of them are consistent is judged elsewhere. Lines of other keys (cosignatures of witnesses) are kept and not judged here. Everything read is bounded.
 */
import type { KeyObject } from 'node:crypto';
import { createPublicKey, hash, sign, verify } from 'node:crypto';
import { decodeBase64 } from '../lib/base64url.ts';
import { hashBytes } from './suite.ts';

export interface NoteSignature {
  readonly name: string;
  /** 8 hexadecimal digits. */
  readonly keyId: string;
  readonly signature: Buffer;
}

export interface Note {
  /** With its last LF: what the signatures are over. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface VerifierKey {
  readonly name: string;
  /** 8 hexadecimal digits. */
  readonly keyId: string;
  readonly publicKey: KeyObject;
}

export interface Checkpoint {
  readonly origin: string;
  /** Entries of the log. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
}

/** `forged`: it reads as a checkpoint of this key's origin, but the key's signature is missing or wrong. */
export type VerifiedCheckpoint =
  | { ok: true; checkpoint: Checkpoint; note: Note }
  | { ok: false; forged: boolean; reason: string };

const ed25519Kind = Buffer.from([1]);
const publicKeyBytes = 32;
const signatureBytes = 64;
/** What SubjectPublicKeyInfo puts before the 32 bytes of an Ed25519 key (RFC 8410). */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');
const noteCharactersMax = 1 << 18;
const signaturesMax = 64;
/** Key id and the longest signature that a witness may bring: ML-DSA-44 and a time stamp. */
const signatureBlobMax = 8192;

/** Whether a text can be a key's name and an origin: no blank of any alphabet, no plus sign, no control character. */
function isKeyName(name: string): boolean {
  return name.length > 0 && name.isWellFormed() && !/[\s\p{Cc}+]/u.test(name);
}

/** Signs a text that ends in LF. */
export function signNote(text: string, name: string, privateKey: KeyObject): string {
  if (!isNoteText(text)) throw new RangeError('a note ends in a line feed and has no other control characters');
  const keyId = Buffer.from(keyIdOf(name, createPublicKey(privateKey)), 'hex');
  const signature = sign(null, Buffer.from(text), privateKey);
  return `${text}\n\u2014 ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`;
}

/** The text and all signature lines, unverified; undefined if it is no signed note. */
export function parseNote(note: string): Note | undefined {
  if (note.length > noteCharactersMax || !note.isWellFormed()) return undefined;
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  if (split < 0 || !isNoteText(text) || !note.endsWith('\n')) return undefined;
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > signaturesMax) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const [, name = '', base64 = ''] = /^\u2014 (\S+) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? [];
    const blob = decodeBase64(base64);
    if (!isKeyName(name) || blob === undefined || blob.length < 5 || blob.length > signatureBlobMax) return undefined;
    signatures.push({ name, keyId: blob.toString('hex', 0, 4), signature: blob.subarray(4) });
  }
  return { text, signatures };
}

/** Whether the note has a signature of this key, and each one it has is right. */
export function verifyNote(note: Note, key: VerifierKey): boolean {
  const own = note.signatures.filter((line) => line.name === key.name && line.keyId === key.keyId);
  const text = Buffer.from(note.text);
  return own.length > 0 && own.every(({ signature }) => isSignature(text, key.publicKey, signature));
}

function isSignature(text: Buffer, publicKey: KeyObject, signature: Buffer): boolean {
  return signature.length === signatureBytes && verify(null, text, publicKey, signature);
}

/** The text form of a verifier key. */
export function encodeVkey(name: string, publicKey: KeyObject): string {
  const kindAndKey = Buffer.concat([ed25519Kind, rawPublicKey(publicKey)]);
  return `${name}+${keyIdOf(name, publicKey)}+${kindAndKey.toString('base64')}`;
}

/** The key of a vkey, or undefined if it is none, is not Ed25519, or its key id is another's. */
export function decodeVkey(vkey: string): VerifierKey | undefined {
  const [name = '', keyId = '', ...rest] = vkey.split('+');
  const blob = decodeBase64(rest.join('+'), 1 + publicKeyBytes);
  if (!isKeyName(name) || blob === undefined || blob[0] !== ed25519Kind[0]) return undefined;
  const publicKey = publicKeyOf(blob.subarray(1));
  return keyIdOf(name, publicKey) === keyId ? { name, keyId, publicKey } : undefined;
}

/** SHA-256(name ‖ LF ‖ 01 ‖ public key)[0..4], 8 hexadecimal digits. */
function keyIdOf(name: string, publicKey: KeyObject): string {
  const parts = Buffer.concat([Buffer.from(`${name}\n`), ed25519Kind, rawPublicKey(publicKey)]);
  return hash('sha256', parts, 'hex').slice(0, 8);
}

function publicKeyOf(raw: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' });
}

function rawPublicKey(publicKey: KeyObject): Buffer {
  if (publicKey.asymmetricKeyType !== 'ed25519') throw new TypeError('the key is not Ed25519');
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(spkiPrefix.length);
}

/** Ends in LF, and has no other control character below U+0020. */
function isNoteText(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x20 && c !== 0x0a) return false;
  }
  return text.endsWith('\n');
}

/** The note's text, without signatures. */
function encodeCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** The whole signed note. */
export function signCheckpoint(checkpoint: Checkpoint, privateKey: KeyObject): string {
  return signNote(encodeCheckpoint(checkpoint), checkpoint.origin, privateKey);
}

/** Reads a note's text; undefined if it is not exactly a checkpoint. */
export function decodeCheckpoint(text: string): Checkpoint | undefined {
  const [origin = '', size = '', root = '', ...rest] = text.split('\n');
  const bytes = decodeBase64(root, hashBytes);
  if (rest.length !== 1 || rest[0] !== '' || !isKeyName(origin) || bytes === undefined) return undefined;
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) return undefined;
  return { origin, size: Number(size), root: bytes };
}

/** Reads a signed note and verifies the signature of `key`, whose name must be the origin. Other signature lines are left alone. */
export function verifyCheckpoint(text: string, key: VerifierKey): VerifiedCheckpoint {
  const note = parseNote(text);
  if (note === undefined) return { ok: false, forged: false, reason: 'is no signed note' };
  const checkpoint = decodeCheckpoint(note.text);
  if (checkpoint === undefined) return { ok: false, forged: false, reason: 'is no checkpoint' };
  if (checkpoint.origin !== key.name) return { ok: false, forged: false, reason: `is of origin ${checkpoint.origin}` };
  if (!verifyNote(note, key)) return { ok: false, forged: true, reason: `is not signed by ${key.name}+${key.keyId}` };
  return { ok: true, checkpoint, note };
}
