/**
 * Reads a bulk answer as bytes. Items of an answer without errors repeat each other to the byte (same index, same status), so
 * an item that equals the one before is the same object and costs one comparison; everything else is parsed whole.
 * Strict: anything that is no bulk answer gives undefined, never a guess. The number of items is the caller's to compare.
 */
export interface ItemError {
  type: string;
  reason: string;
  /** As Elasticsearch gave it, for the rejects and for ack: store. */
  detail: Readonly<Record<string, unknown>>;
}

export interface ItemResult {
  /** `create` or `index`, as sent. */
  action: string;
  status: number;
  /** The concrete index; empty where no shard was reached. */
  index: string;
  id?: string;
  result?: string;
  version?: number;
  seqNo?: number;
  primaryTerm?: number;
  failureStore?: string;
  executedPipelines?: readonly string[];
  error?: ItemError;
}

export interface BulkAnswer {
  errors: boolean;
  /** Present when an ingest pipeline ran for something in this request, milliseconds. */
  ingestTookMs?: number;
  /** Shared objects: never change one. */
  items: readonly ItemResult[];
}

export function parseBulkAnswer(body: Buffer): BulkAnswer | undefined {
  return parseRepeating(body) ?? parseWhole(body);
}

const head = /^\{(?:"took":\d+,)?"errors":false,(?:"took":\d+,)?(?:"ingest_took":(\d{1,15}),)?"items":\[/;
const headBytesMax = 200;
const quote = 0x22;
const backslash = 0x5c;
const open = 0x7b;
const close = 0x7d;
const comma = 0x2c;

/** The fast path. undefined: something is unusual, let the whole parser judge. */
function parseRepeating(body: Buffer): BulkAnswer | undefined {
  const start = head.exec(body.toString('latin1', 0, Math.min(headBytesMax, body.length)));
  if (start === null) return undefined;
  const items: ItemResult[] = [];
  let at = start[0].length;
  let sameFrom = 0;
  let sameBytes = 0;
  let same: ItemResult | undefined;
  while (body[at] === open) {
    let item: ItemResult | undefined;
    const fits = at + sameBytes <= body.length;
    if (same !== undefined && fits && body.compare(body, sameFrom, sameFrom + sameBytes, at, at + sameBytes) === 0) {
      item = same;
    } else {
      const end = endOfObject(body, at);
      item = end === undefined ? undefined : parseItem(body.toString('utf8', at, end));
      if (item === undefined || end === undefined || item.error !== undefined) return undefined;
      same = item;
      sameFrom = at;
      sameBytes = end - at;
    }
    items.push(item);
    at += sameBytes;
    if (body[at] !== comma) break;
    at += 1;
    if (body[at] !== open) return undefined;
  }
  if (!/^\]\}\s*$/.test(body.toString('latin1', at, at + 16)) || body.length > at + 16) return undefined;
  const ingestTook = start[1];
  return { errors: false, ...(ingestTook === undefined ? {} : { ingestTookMs: Number(ingestTook) }), items };
}

/** One past the `}` that closes the `{` at `at`. */
function endOfObject(body: Buffer, at: number): number | undefined {
  let depth = 0;
  let inString = false;
  for (let i = at; i < body.length; i += 1) {
    const byte = body[i];
    if (inString) {
      if (byte === backslash) i += 1;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === open) depth += 1;
    else if (byte === close) {
      depth -= 1;
      if (depth === 0) return i + 1;
    }
  }
  return undefined;
}

function parseWhole(body: Buffer): BulkAnswer | undefined {
  const answer = parseJson(body.toString());
  if (!isObject(answer) || typeof answer.errors !== 'boolean' || !Array.isArray(answer.items)) return undefined;
  const items: ItemResult[] = [];
  for (const raw of answer.items) {
    const item = itemOf(raw);
    if (item === undefined) return undefined;
    items.push(item);
  }
  const took = answer.ingest_took;
  return { errors: answer.errors, ...(typeof took === 'number' ? { ingestTookMs: took } : {}), items };
}

function parseItem(text: string): ItemResult | undefined {
  return itemOf(parseJson(text));
}

function itemOf(raw: unknown): ItemResult | undefined {
  if (!isObject(raw)) return undefined;
  const [entry, second] = Object.entries(raw);
  if (entry === undefined || second !== undefined) return undefined;
  const [action, value] = entry;
  if (!isObject(value)) return undefined;
  const status = value.status;
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 100 || status > 599) return undefined;
  const item: ItemResult = { action, status, index: textOf(value._index) ?? '' };
  if (status < 300 && (item.index === '' || value.error !== undefined)) return undefined;
  const error = errorOf(value.error);
  if (error !== undefined) item.error = error;
  addText(item, 'id', value._id);
  addText(item, 'result', value.result);
  addText(item, 'failureStore', value.failure_store);
  addInteger(item, 'version', value._version);
  addInteger(item, 'seqNo', value._seq_no);
  addInteger(item, 'primaryTerm', value._primary_term);
  const pipelines = value.executed_pipelines;
  if (Array.isArray(pipelines)) item.executedPipelines = pipelines.map(String);
  return item;
}

function errorOf(error: unknown): ItemError | undefined {
  if (!isObject(error)) return undefined;
  return { type: textOf(error.type) ?? '', reason: textOf(error.reason) ?? '', detail: error };
}

function addText(item: ItemResult, name: 'id' | 'result' | 'failureStore', value: unknown): void {
  if (typeof value === 'string') item[name] = value;
}

function addInteger(item: ItemResult, name: 'version' | 'seqNo' | 'primaryTerm', value: unknown): void {
  if (Number.isSafeInteger(value)) item[name] = value as number;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
