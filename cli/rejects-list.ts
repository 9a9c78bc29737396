/**
 * What lies in the rejects index, and what was said of it since: each record with why it was refused, and as far as the search engine's
 * reason names them the field, what stood there and what was wanted. Judges nothing: whether a document is genuine is for verify.
 */
import { decodeControl } from '../src/chain/control-record.ts';
import type { Source } from '../src/verify/source.ts';
import { systemIndices } from '../src/verify/source.ts';

export interface Reject {
  /** 22 characters. */
  chain: string;
  seq: number;
  dest: string;
  id: string;
  /** When it was signed, ms since 1970. */
  time: number | undefined;
  /** `retried`: sent again since; a copy stays here. */
  state: 'open' | 'retried' | 'discarded';
  status: number;
  /** The search engine's error type. */
  error: string;
  reason: string;
  field: string | undefined;
  /** What kind of value stands in that field. */
  value: string | undefined;
  /** What the field is mapped as. */
  mapping: string | undefined;
  content: string;
}

interface Field {
  chain?: string;
  seq?: number;
  dest?: string;
  id?: string;
  time?: number;
  raw?: string;
}

/** In the order of chain and seq. The source is opened and closed here. */
export async function readRejects(source: Source): Promise<Reject[]> {
  const said = new Said();
  const rejects: Reject[] = [];
  try {
    await source.open();
    for await (const batch of source.system()) {
      for (const { index, source: text } of batch) if (index === systemIndices.control) said.hear(text);
    }
    for await (const batch of source.records()) {
      for (const { index, id, source: text } of batch) {
        const reject = index === systemIndices.rejects ? readReject(id, text) : undefined;
        if (reject !== undefined) rejects.push(reject);
      }
    }
  } finally {
    await source.close();
  }
  for (const reject of rejects) reject.state = said.of(reject.chain, reject.seq);
  return rejects.sort((a, b) => a.chain.localeCompare(b.chain) || a.seq - b.seq);
}

/** What control records say, the later before the earlier: rejected again after a retry is open again. */
class Said {
  readonly #records: {
    seq: number;
    kind: 'open' | 'retried' | 'discarded';
    chain: string;
    seqs: readonly (readonly [number, number])[];
  }[] = [];

  hear(text: Buffer): void {
    const field = parse(text)?.logseal as Field | undefined;
    const content = field?.raw ?? withoutField(text);
    const decoded = decodeControl(Buffer.from(content));
    if (!decoded.ok) return;
    const { record } = decoded;
    const seq = field?.seq ?? 0;
    if (record.kind === 'reject') this.#records.push({ seq, kind: 'open', ...record.body });
    else if (record.kind === 'retry') this.#records.push({ seq, kind: 'retried', ...record.body });
    else if (record.kind === 'discard') this.#records.push({ seq, kind: 'discarded', ...record.body });
  }

  of(chain: string, seq: number): Reject['state'] {
    let state: Reject['state'] = 'open';
    let newest = -1;
    for (const record of this.#records) {
      if (record.chain !== chain || !record.seqs.some(([from, to]) => seq >= from && seq <= to)) continue;
      if (record.kind === 'discarded') return 'discarded';
      if (record.seq < newest) continue;
      newest = record.seq;
      state = record.kind;
    }
    return state;
  }
}

/** A control record without `raw` is what is left of its document. */
function withoutField(text: Buffer): string {
  const { logseal: _, ...content } = parse(text) ?? {};
  return JSON.stringify(content);
}

function readReject(documentId: string, text: Buffer): Reject | undefined {
  const document = parse(text);
  const field = document?.logseal as Field | undefined;
  const why = document?.reject as { status?: number; type?: string; reason?: string } | undefined;
  if (typeof field?.chain !== 'string' || typeof field.seq !== 'number') return undefined;
  const reason = String(why?.reason ?? '');
  const content = String(field.raw ?? '');
  const named = fieldOf(reason);
  return {
    chain: field.chain,
    seq: field.seq,
    dest: String(field.dest ?? ''),
    id: field.id ?? documentId,
    time: field.time,
    state: 'open',
    status: Number(why?.status ?? 0),
    error: String(why?.type ?? ''),
    reason,
    ...named,
    value: named.field === undefined ? undefined : kindAt(content, named.field),
    content,
  };
}

const patterns = [
  /^(?:\[\d+:\d+\] )?failed to parse field \[(?<field>[^\]]+)\] of type \[(?<mapping>[^\]]+)\]/,
  /^(?:\[\d+:\d+\] )?object mapping for \[(?<field>[^\]]+)\] tried to parse field/,
  /mapper \[(?<field>[^\]]+)\] cannot be changed from type \[(?<mapping>[^\]]+)\]/,
  /dynamic introduction of \[(?<field>[^\]]+)\]/,
  /can't merge a non[ -](?:object|nested) mapping \[(?<field>[^\]]+)\]/,
  /immense term in field="(?<field>[^"]+)"/,
];

function fieldOf(reason: string): { field: string | undefined; mapping: string | undefined } {
  for (const pattern of patterns) {
    const { field, mapping } = pattern.exec(reason)?.groups ?? {};
    if (field === undefined) continue;
    return { field, mapping: mapping ?? (reason.includes('object mapping for') ? 'object' : undefined) };
  }
  return { field: undefined, mapping: undefined };
}

/** What kind of JSON value stands at a dotted path; undefined if there is none. */
function kindAt(content: string, path: string): string | undefined {
  let value: unknown = parse(Buffer.from(content));
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, path))
    value = (value as Record<string, unknown>)[path];
  else for (const name of path.split('.')) value = (value as Record<string, unknown> | null | undefined)?.[name];
  if (value === undefined) return undefined;
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function parse(text: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
