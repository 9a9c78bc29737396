/**
 * Every document of a search engine, its `_source` to the byte, asked for directly. Shares no code with what it judges: neither
 * the verifier's reader nor delivery.
 */

export interface StoredDocument {
  index: string;
  id: string;
  /** The text of `_source`. */
  text: string;
}

const pageMax = 2000;

/** All that is stored and visible to a search after a refresh, hidden indices too. */
export async function* storedDocuments(url: string): AsyncGenerator<StoredDocument[]> {
  await ask(url, '/*/_refresh?expand_wildcards=open,hidden');
  const first = '/*/_search?scroll=1m&expand_wildcards=open,hidden';
  let page = await ask(url, first, { size: pageMax, sort: ['_doc'] });
  for (;;) {
    const { scroll, documents } = parsePage(page);
    // What was read to its end is let go by itself.
    if (documents.length === 0) return;
    yield documents;
    page = await ask(url, '/_search/scroll', { scroll: '1m', scroll_id: scroll });
  }
}

/** Removes every index and data stream. */
export async function emptyEngine(url: string): Promise<void> {
  const indices = JSON.parse(await ask(url, '/*/_settings?expand_wildcards=all', undefined, 'GET'));
  for (const name of Object.keys(indices)) await ask(url, `/${encodeURIComponent(name)}`, undefined, 'DELETE');
}

async function ask(url: string, path: string, body?: object, method = 'POST'): Promise<string> {
  const answer = await fetch(url + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
  return text;
}

function parsePage(page: string): { scroll: string; documents: StoredDocument[] } {
  const { _scroll_id, hits } = JSON.parse(page) as {
    _scroll_id: string;
    hits: { hits: { _index: string; _id: string }[] };
  };
  const sources = sourcesOf(page);
  if (sources.length !== hits.hits.length) throw new Error(`${sources.length} sources in ${hits.hits.length} hits`);
  const documents = hits.hits.map(({ _index, _id }, at) => ({ index: _index, id: _id, text: sources[at] ?? '' }));
  return { scroll: _scroll_id, documents };
}

const sourceKey = '"_source":';
/** answer { hits { hits [ hit { */
const hitDepth = 4;

/** The texts of all `_source` members of the hits, as they stand in the answer. */
function sourcesOf(page: string): string[] {
  const sources: string[] = [];
  let depth = 0;
  for (let at = 0; at < page.length; at += 1) {
    const char = page[at];
    if (char === '"') {
      if (depth === hitDepth && page.startsWith(sourceKey, at)) {
        const end = endOfValue(page, at + sourceKey.length);
        sources.push(page.slice(at + sourceKey.length, end));
        at = end - 1;
      } else at = endOfString(page, at) - 1;
    } else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') depth -= 1;
  }
  return sources;
}

/** One past the object that begins at `start`. */
export function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') at = endOfString(text, at) - 1;
    else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  throw new Error('an object has no end');
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  throw new Error('a string has no end');
}
