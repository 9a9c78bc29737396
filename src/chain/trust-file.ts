/**
 * The trust file (FORMAT section 6): what a verifier brings to know an instance by. The proxy writes it once, its operator carries it away.
 * Owns its one JSON form. Must never be filled from what a search engine says.
 */
import { decodeBase64Url } from '../lib/base64url.ts';
import { duplicateName, hasMembers, isObject } from './json-form.ts';
import { chainIdBytes } from './key-tree.ts';
import { decodeVkey } from './note.ts';

export interface TrustFile {
  /** `<instance name>/logseal` */
  readonly origin: string;
  /** Of the key that signs the checkpoints; its name is the origin. */
  readonly vkey: string;
  /** The control chain's id, 22 characters. */
  readonly control: string;
  /** Ids of chains, the control chain among them. */
  readonly chains: readonly string[];
}

export type DecodedTrustFile = { ok: true; trust: TrustFile } | { ok: false; reason: string };

const chainsMax = 100_000;

/** The file's text, one member a line. */
export function encodeTrustFile({ origin, vkey, control, chains }: TrustFile): string {
  return `${JSON.stringify({ origin, vkey, control, chains }, undefined, 2)}\n`;
}

/** Reads the file's text; an unknown or missing member, or a key of another name, is a reason to refuse it. */
export function decodeTrustFile(text: string): DecodedTrustFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, reason: 'is not JSON' };
  }
  if (
    !isObject(value) ||
    !hasMembers(value, ['origin', 'vkey', 'control', 'chains']) ||
    duplicateName(text) !== undefined
  ) {
    return { ok: false, reason: 'is not an object of origin, vkey, control and chains' };
  }
  const { origin, vkey, control, chains } = value;
  if (typeof origin !== 'string' || typeof vkey !== 'string' || decodeVkey(vkey)?.name !== origin) {
    return { ok: false, reason: 'vkey is not a verifier key whose name is origin' };
  }
  if (!isChainId(control)) return { ok: false, reason: 'control is not a chain id of 22 base64url characters' };
  if (!Array.isArray(chains) || chains.length > chainsMax || !chains.every(isChainId)) {
    return { ok: false, reason: 'chains is not a list of chain ids of 22 base64url characters' };
  }
  return { ok: true, trust: { origin, vkey, control, chains } };
}

function isChainId(value: unknown): value is string {
  return typeof value === 'string' && decodeBase64Url(value, chainIdBytes) !== undefined;
}
