/**
 * Owns the question which requests, of those that are not intake, must not pass: what would change or delete signed documents,
 * write what only the proxy writes, or change how the signature is kept. It is a fence against accidents: whoever can reach the
 * search engine itself can do all of this, and verification finds it.
 */
import { isReservedName, resolveName, streamBehind } from '../bulk/index-name.ts';
import type { Exchange } from './exchange.ts';

export interface GuardRules {
  isSigned(dest: string): boolean;
  nowMs: number;
}

/** `refused`: the sentence for the client. `body`: pass it on only if `bodyRefusal` has nothing against its body. */
export type GuardDecision = { kind: 'pass' } | { kind: 'body' } | { kind: 'refused'; reason: string };

type Request = Pick<Exchange, 'method' | 'segments'>;

const pass: GuardDecision = { kind: 'pass' };
const advice =
  'Records that have served their time are retired by index lifecycle management, or by an operator directly at the search engine, after a retire record';

/** What may be asked of the proxy's own indices. */
const readingEndpoints = new Set([
  '_alias',
  '_async_search',
  '_count',
  '_eql',
  '_explain',
  '_field_caps',
  '_flush',
  '_forcemerge',
  '_knn_search',
  '_mget',
  '_msearch',
  '_mtermvectors',
  '_pit',
  '_rank_eval',
  '_refresh',
  '_search',
  '_search_shards',
  '_stats',
  '_terms_enum',
  '_termvectors',
  '_validate',
]);

/** What fills an index of another name. */
const copying = new Set(['_clone', '_downsample', '_shrink', '_split']);

export function guard(request: Request, rules: GuardRules): GuardDecision {
  const { method, segments } = request;
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return pass;
  const [first = '', second = ''] = segments;
  if (first === '_bulk' || second === '_bulk') return refuse('records are signed at [_bulk] and [<index>/_bulk] alone');
  if (first === '_reindex' && segments.length === 1) return { kind: 'body' };
  if (first === '_aliases') return { kind: 'body' };
  if (first === '_data_stream') return guardStream(method, segments, rules);
  if (/^_(index_template|component_template|template)$/.test(first)) return guardTemplate(second);
  if (first.startsWith('_') && first !== '_all') return pass;
  return guardIndex(method, segments, rules);
}

/** The sentence for a body that must not pass, or undefined. `body`: parsed JSON, or undefined if it is none. */
export function bodyRefusal(request: Request, body: unknown, rules: GuardRules): string | undefined {
  const [first = ''] = request.segments;
  if (first === '_reindex') {
    const dest = member(member(body, 'dest'), 'index');
    if (typeof dest !== 'string' || !concerns(dest, rules)) return undefined;
    return `[_reindex] into [${dest}] is refused: what stands there is signed when it comes in, and copies are not. Send the documents through [_bulk]`;
  }
  if (first === '_data_stream') {
    const stream = streamsChanged(body).find((name) => concerns(name, rules));
    if (stream !== undefined)
      return `changing the indices behind [${stream}] is refused: they hold signed documents. ${advice}`;
  }
  if (first === '_aliases') {
    const removed = removedIndices(body).find((index) => concerns(index, rules));
    return removed === undefined
      ? undefined
      : `[remove_index] of [${removed}] is refused: it holds signed documents. ${advice}`;
  }
  return touchesSignature(body)
    ? 'a mapping for [logseal] is refused: that field holds the signature, and its mapping comes from the template [logseal-mappings]'
    : undefined;
}

function guardStream(method: string, segments: readonly string[], rules: GuardRules): GuardDecision {
  const name = segments[1] ?? '';
  if (method === 'DELETE' && segments.length === 2 && concerns(name, rules)) {
    return refuse(`deleting the data stream [${name}] is refused: it holds signed documents. ${advice}`);
  }
  return name === '_modify' || segments[2] === '_mappings' ? { kind: 'body' } : pass;
}

function guardTemplate(name: string): GuardDecision {
  if (name.startsWith('logseal')) return refuse(`the template [${name}] is kept by the proxy: use [logseal templates]`);
  return { kind: 'body' };
}

function guardIndex(method: string, segments: readonly string[], rules: GuardRules): GuardDecision {
  const [index = '', endpoint = '', target = ''] = segments;
  if (copying.has(endpoint) && concerns(target, rules)) {
    return refuse(
      `[${endpoint}] into [${target}] is refused: what stands there is signed when it comes in, and copies are not`,
    );
  }
  if (!concerns(index, rules)) return pass;
  if (namesReserved(index) && !readingEndpoints.has(endpoint)) {
    return refuse(
      `[${index}] is kept for the proxy itself: seals, checkpoints, control records and rejects are written by it alone`,
    );
  }
  if (method === 'DELETE' && endpoint === '') {
    return refuse(`deleting [${index}] is refused: it holds signed documents. ${advice}`);
  }
  if (method === 'DELETE' && endpoint === '_doc') {
    return refuse(`deleting a document of [${index}] is refused: it is signed, and would be found missing. ${advice}`);
  }
  if (endpoint === '_update' || endpoint === '_update_by_query') {
    return refuse(
      `[${endpoint}] on [${index}] is refused: its documents are signed. Send a correction as a new document`,
    );
  }
  if (endpoint === '_ccr' && target === 'follow') {
    return refuse(
      `following into [${index}] is refused: what stands there is signed when it comes in, and copies are not`,
    );
  }
  if (endpoint === '_delete_by_query') {
    return refuse(`[_delete_by_query] on [${index}] is refused: its documents are signed. ${advice}`);
  }
  if (endpoint === '' || endpoint === '_mapping' || endpoint === '_mappings') return { kind: 'body' };
  return pass;
}

function refuse(reason: string): GuardDecision {
  return { kind: 'refused', reason };
}

/** Whether an index expression can mean something signed or reserved. In doubt, yes. */
function concerns(expression: string, rules: GuardRules): boolean {
  // An exclusion that comes first excludes from everything.
  if (expression === '' || expression === '_all' || expression.startsWith('-')) return true;
  return expression.split(',').some((part) => !part.startsWith('-') && partConcerns(part, rules));
}

function partConcerns(part: string, rules: GuardRules): boolean {
  const star = part.indexOf('*');
  if (star >= 0) {
    const start = part.slice(0, star);
    // Backing indices of data streams begin with a dot too.
    const backing = ['.ds-', '.fs-'].some((prefix) => prefix.startsWith(start) || start.startsWith(prefix));
    return !start.startsWith('.') || backing;
  }
  const [name = ''] = part.split('::', 1);
  const resolved = resolveName(name, rules.nowMs);
  if (name.startsWith('<') && !('dest' in resolved)) return true;
  const dest = 'dest' in resolved ? resolved.dest : name;
  const stream = streamBehind(dest) ?? dest;
  return isReservedName(stream) || rules.isSigned(stream);
}

function namesReserved(expression: string): boolean {
  return expression.split(',').some((part) => isReservedName(part) || isReservedName(streamBehind(part) ?? ''));
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function removedIndices(body: unknown): string[] {
  return actionsOf(body).flatMap((action) => {
    const removal = member(action, 'remove_index');
    return [member(removal, 'index'), member(removal, 'indices')].flat().filter((name) => typeof name === 'string');
  });
}

function streamsChanged(body: unknown): string[] {
  return actionsOf(body)
    .flatMap((action) => [member(action, 'add_backing_index'), member(action, 'remove_backing_index')])
    .map((change) => member(change, 'data_stream'))
    .filter((name) => typeof name === 'string');
}

/** Elasticsearch takes one action without the brackets of a list. */
function actionsOf(body: unknown): unknown[] {
  return [member(body, 'actions')].flat();
}

const depthMax = 32;

/** Whether some `properties` or `runtime` in it defines the signature's field, or one below it. */
function touchesSignature(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth > depthMax) return true;
  return Object.entries(value).some(([name, inner]) => {
    if ((name === 'properties' || name === 'runtime') && definesSignature(inner)) return true;
    // Fields further down may be called logseal: only the top level of a document is meant.
    return name !== 'properties' && touchesSignature(inner, depth + 1);
  });
}

function definesSignature(fields: unknown): boolean {
  if (typeof fields !== 'object' || fields === null) return false;
  return Object.keys(fields).some((name) => name === 'logseal' || name.startsWith('logseal.'));
}
