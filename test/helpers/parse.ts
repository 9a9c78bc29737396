/** Reads a bulk body under rules that tests change, and shows what became of it. */
import type { IntakeRules } from '../../src/bulk/intake-rules.ts';
import type { BulkDefaults, ParsedBulk } from '../../src/bulk/parse-bulk.ts';
import { actionOf, parseBulk, signedBit } from '../../src/bulk/parse-bulk.ts';
import { LogsealError } from '../../src/errors.ts';
import { ObjectScanner } from '../../src/lib/json-scan.ts';
import { recordsOf } from './intake-server.ts';

export const noon = Date.UTC(2026, 10, 23, 12, 0, 0);

export function rulesFor(changes: Partial<IntakeRules> = {}): IntakeRules {
  return {
    itemsMax: 1000,
    documentBytesMax: 4096,
    actionBytesMax: 2048,
    scanner: new ObjectScanner({ depthMax: 20 }),
    nowMs: noon,
    isSigned: (dest) => !dest.startsWith('.') && !dest.startsWith('metrics-'),
    whyNotForwarded: undefined,
    ownsId: (id) => id.startsWith('owned'),
    ...changes,
  };
}

/** One line an operation: what it was, what became of it. */
export function read(body: string | Buffer, defaults: BulkDefaults = {}, changes: Partial<IntakeRules> = {}) {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const parsed = parseBulk(bytes, defaults, rulesFor(changes));
  return { parsed, records: recordsOf(parsed.batch), operations: operationsOf(parsed) };
}

function operationsOf(parsed: ParsedBulk): string[] {
  return Array.from({ length: parsed.count }, (_, i) => {
    const kind = parsed.kinds[i] as number;
    const error = parsed.errors.get(i);
    if (error !== undefined) return `${actionOf(kind)} refused ${error.status} ${error.error.type}`;
    return `${actionOf(kind)} ${(kind & signedBit) === 0 ? 'forwarded' : 'signed'}`;
  });
}

/** Type and sentence of the refusal that `act` throws; fails the test by throwing when it is another error, or none. */
export function refusalOf(act: () => unknown): { status: unknown; type: unknown; reason: string } {
  try {
    act();
  } catch (error) {
    if (!(error instanceof LogsealError) || error.code !== 'REQUEST_REFUSED') throw error;
    return { status: error.details.status, type: error.details.type, reason: error.message };
  }
  throw new Error('nothing was refused');
}

/** The value, which the test knows to be there. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing is there');
  return value;
}
