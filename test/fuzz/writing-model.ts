/**
 * What a request would do to signed destinations, said once more and independently of the guard: by the routes of Elasticsearch
 * and OpenSearch that write, change or delete documents. Errs towards "may write".
 */

export interface PlainRequest {
  method: string;
  /** As on the wire. */
  target: string;
  /** Of the body; '' is none. */
  type: string;
  /** Characters up to U+00FF. */
  body: string;
}

/** The only destination of the fuzz tests that is not signed, and everything that begins with it or with a dot. */
export const plainName = 'plain';

const changes = new Set(['_update', '_update_by_query', '_delete_by_query']);
const copies = new Set(['_clone', '_shrink', '_split', '_downsample']);

/** A sentence for a request that would write where signed documents are; undefined if it does not. */
export function signedWrite({ method, target, body }: PlainRequest): string | undefined {
  if (!['POST', 'PUT', 'DELETE'].includes(method)) return undefined;
  const parts = (target.split('?', 1)[0] ?? '').split('/').filter((segment) => segment !== '');
  const [first = '', second = '', third = ''] = parts.map(decoded);
  // It refuses a member that stands twice.
  if (body.split('"actions"').length > 2) return undefined;
  const plain = decoded(body).replaceAll('\\u0073', 's').replaceAll('\0', '');
  if (method !== 'DELETE' && (first === '_bulk' || second === '_bulk')) return 'a bulk';
  if (first === '_reindex' && second === '') return /dest[\s\S]*signed/.test(plain) ? 'a reindex' : undefined;
  if (first === '_aliases' && second === '')
    return /remove_index[\s\S]*(sig|logseal)/.test(plain) ? 'a removal' : undefined;
  if (first === '_data_stream')
    return method === 'DELETE' && third === '' && maybeSigned(second) ? 'a deletion' : undefined;
  // Elasticsearch has no index whose name begins so.
  if (first.startsWith('_') && !/^_all(?:,|$)/.test(first)) return undefined;
  if (copies.has(second) && method !== 'DELETE' && maybeSigned(third)) return `a copy into ${third}`;
  if (!maybeSigned(first)) return undefined;
  if (method === 'DELETE') return second === '' || (second === '_doc' && third !== '') ? 'a deletion' : undefined;
  if (changes.has(second)) return second;
  if (first.startsWith('_')) return undefined;
  return (second === '_create' || second === '_doc') && third !== '' && parts.length === 3 ? second : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function maybeSigned(expression: string): boolean {
  return expression.split(',').some((part) => !part.startsWith(plainName) && !part.startsWith('.') && part !== '');
}
