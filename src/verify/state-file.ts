/**
 * The verifier's own memory (anchor L1): how large each log was when it was last seen whole, and under which keys.
 *
 * Owns one small JSON file on the verifier's machine. Assumes nobody but the verifier writes there. Must never forget:
 * an entry is replaced only by a later state of the same log.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { LogsealError } from '../errors.ts';

export interface KnownInstance {
  origin: string;
  vkey: string;
  /** The control chain's id, 22 characters. */
  control: string;
  chains: string[];
  /** Seals in the log, and its root in base64. */
  size: number;
  root: string;
  /** When that was seen, ms since 1970. */
  time: number;
}

const fileBytesMax = 16 * 1024 * 1024;

/** The instances of a state file; none if there is no such file yet. A file that is not one is refused by name. */
export function readState(path: string): KnownInstance[] {
  const text = readIfThere(path);
  if (text === undefined) return [];
  const wrong = new LogsealError(
    'USAGE',
    `${path} is not a state file of logseal verify; nothing was compared with it`,
  );
  if (text.length > fileBytesMax) throw wrong;
  const parsed = parseJson(text);
  if (!isRecord(parsed) || parsed.v !== 1 || !Array.isArray(parsed.instances)) throw wrong;
  const instances: KnownInstance[] = [];
  for (const instance of parsed.instances) {
    if (!isKnownInstance(instance)) throw wrong;
    instances.push(instance);
  }
  return instances;
}

/** Writes the file anew: temporary file, then rename. */
export function writeState(path: string, instances: readonly KnownInstance[]): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.new`;
  writeFileSync(temporary, `${JSON.stringify({ v: 1, instances }, undefined, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new LogsealError('USAGE', `${path}: the state file cannot be read`, { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isKnownInstance(value: unknown): value is KnownInstance {
  if (!isRecord(value)) return false;
  const { origin, vkey, control, chains, size, root, time } = value;
  const texts = [origin, vkey, control, root].every((text) => typeof text === 'string');
  const numbers = [size, time].every((number) => Number.isSafeInteger(number) && Number(number) >= 0);
  return texts && numbers && Array.isArray(chains) && chains.every((chain) => typeof chain === 'string');
}
