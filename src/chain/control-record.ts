/**
 * Control records (FORMAT section 7): the proxy's own records of what happened to chains, and what an operator ordered.
 * Owns their encoding, their strict reading, and the operator's signature. Reading a record proves nothing: who relies on it has its tag
 * verified first, and an operator's act also by `verifyOperator` with a key that did not come from the data.
 *
 *   sig = Ed25519("LSP1/operator" ‖ 00 ‖ LP(origin) ‖ serial u64 ‖ RFC 8785 form of {kind: body})
 */
import { isUtf8 } from 'node:buffer';
import type { KeyObject } from 'node:crypto';
import { createPublicKey, hash, sign, verify } from 'node:crypto';
import { LogsealError } from '../errors.ts';
import { decodeBase64Url } from '../lib/base64url.ts';
import { canonicalJson } from './canonical-json.ts';
import type { ControlBodies, ControlKind } from './control-form.ts';
import { bodyFault, controlForms, isSha256 } from './control-form.ts';
import { writeSafeInteger } from './header.ts';
import type { JsonObject } from './json-form.ts';
import { duplicateName, hasMembers, isInteger, isObject } from './json-form.ts';

export interface OperatorSignature {
  /** SHA-256 of the key's SPKI, hexadecimal. */
  readonly key: string;
  /** Rises with each signature of a key. */
  readonly serial: number;
  /** base64url, 64 bytes. */
  readonly sig: string;
}

/** One kind with its body; `operator` only where the kind may have one. */
export type ControlRecord = {
  [K in ControlKind]: { readonly kind: K; readonly body: ControlBodies[K]; readonly operator?: OperatorSignature };
}[ControlKind];

export type DecodedControl = { ok: true; record: ControlRecord } | { ok: false; reason: string };

export const controlKinds = Object.keys(controlForms) as ControlKind[];

const operatorKinds: ReadonlySet<ControlKind> = new Set(['discard', 'policy', 'retire', 'erase', 'acknowledge']);
/** Rotations that the proxy does by itself. */
const ownRotations: ReadonlySet<unknown> = new Set(['schedule', 'clock', 'certificates', 'upstream']);

const operatorPrefix = Buffer.from('LSP1/operator\0');
const signatureBytes = 64;

/** Whether such a record means nothing without an operator's signature. */
export function needsOperator(kind: ControlKind, body: object): boolean {
  if (kind !== 'rotate') return operatorKinds.has(kind);
  return !('why' in body && ownRotations.has(body.why));
}

/** The record's content, members in the order of the table. Throws CONTROL_INVALID if the body is not of its form. */
export function encodeControl(kind: ControlKind, body: object, operator?: OperatorSignature): Buffer {
  const fault = bodyFault(kind, body) ?? (operator === undefined ? undefined : operatorFault(operator));
  if (fault !== undefined) throw new LogsealError('CONTROL_INVALID', `control record: ${fault}`);
  if (operator === undefined && needsOperator(kind, body)) {
    throw new LogsealError('CONTROL_INVALID', `control record: ${kind} needs an operator's signature`);
  }
  const ordered: JsonObject = {};
  for (const name of Object.keys(controlForms[kind])) ordered[name] = (body as JsonObject)[name];
  const record: JsonObject = { [kind]: ordered };
  if (operator !== undefined) record.operator = { key: operator.key, serial: operator.serial, sig: operator.sig };
  return Buffer.from(JSON.stringify(record));
}

/** Reads the content of a record of type 1. A missing operator signature is not judged here: ask `needsOperator`. */
export function decodeControl(content: Buffer): DecodedControl {
  let value: unknown;
  const text = content.toString('utf8');
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, reason: 'is not JSON' };
  }
  if (!isUtf8(content) || !isObject(value)) return { ok: false, reason: 'is no object in UTF-8' };
  const twice = duplicateName(text);
  if (twice !== undefined) return { ok: false, reason: `has ${JSON.stringify(twice)} twice in one object` };
  const { operator, ...rest } = value;
  const [name, ...others] = Object.keys(rest);
  const kind = controlKinds.find((known) => known === name);
  if (kind === undefined || others.length > 0) return { ok: false, reason: 'is not one object of a known kind' };
  const fault = bodyFault(kind, rest[kind]);
  if (fault !== undefined) return { ok: false, reason: fault };
  const body = rest[kind] as object;
  if (operator === undefined) return { ok: true, record: { kind, body } as ControlRecord };
  if (kind !== 'rotate' && !needsOperator(kind, body)) return { ok: false, reason: `${kind} has no operator` };
  const operatorReason = operatorFault(operator);
  if (operatorReason !== undefined) return { ok: false, reason: operatorReason };
  return { ok: true, record: { kind, body, operator } as ControlRecord };
}

/** SHA-256 of a public key's SPKI, hexadecimal: how an operator's key is named. */
export function operatorKeyId(publicKey: KeyObject): string {
  return hash('sha256', publicKey.export({ format: 'der', type: 'spki' }), 'hex');
}

/** What an operator signs. `serial` must be above all that this key has used. */
export function operatorMessage(origin: string, serial: number, kind: ControlKind, body: object): Buffer {
  const name = Buffer.from(origin);
  if (name.length > 0xffff) throw new RangeError('the origin is longer than 65,535 bytes');
  const numbers = Buffer.alloc(10);
  numbers.writeUInt16BE(name.length, 0);
  writeSafeInteger(numbers, serial, 2);
  const canonical = Buffer.from(canonicalJson({ [kind]: body }));
  return Buffer.concat([operatorPrefix, numbers.subarray(0, 2), name, numbers.subarray(2), canonical]);
}

/** The operator's signature over an act, made away from the proxy. `privateKey` is Ed25519. */
export function signOperator(
  privateKey: KeyObject,
  act: { origin: string; serial: number; kind: ControlKind; body: object },
): OperatorSignature {
  const fault = bodyFault(act.kind, act.body);
  if (fault !== undefined) throw new LogsealError('CONTROL_INVALID', `control record: ${fault}`);
  const message = operatorMessage(act.origin, act.serial, act.kind, act.body);
  return {
    key: operatorKeyId(createPublicKey(privateKey)),
    serial: act.serial,
    sig: sign(null, message, privateKey).toString('base64url'),
  };
}

/** Whether the record bears this key's signature for this instance. That serials rise is judged over all records. */
export function verifyOperator(publicKey: KeyObject, origin: string, record: ControlRecord): boolean {
  const { kind, body, operator } = record;
  if (operator === undefined || operator.key !== operatorKeyId(publicKey)) return false;
  const signature = decodeBase64Url(operator.sig, signatureBytes);
  if (signature === undefined || publicKey.asymmetricKeyType !== 'ed25519') return false;
  return verify(null, operatorMessage(origin, operator.serial, kind, body), publicKey, signature);
}

function operatorFault(value: unknown): string | undefined {
  if (!isObject(value) || !hasMembers(value, ['key', 'serial', 'sig'])) return 'operator is not {key, serial, sig}';
  if (!isSha256(value.key)) return 'operator.key is not a SHA-256 in lower-case hexadecimal';
  if (!isInteger(value.serial, Number.MAX_SAFE_INTEGER)) return 'operator.serial is not an integer';
  const signed = typeof value.sig === 'string' && decodeBase64Url(value.sig, signatureBytes) !== undefined;
  return signed ? undefined : 'operator.sig is not 64 bytes of base64url';
}
