/**
 * Asks the search engine what it knows of this instance: checkpoints, seals and records under our own chains. Passes on what it says,
 * bounded; believing it is the business of whoever asked.
 */
import type { VerifierKey } from '../chain/note.ts';
import { decodeBase64Url } from '../lib/base64url.ts';
import type { FoundRecord, RemoteKnowledge } from '../sequencer/catch-up.ts';
import type { Asker, JsonObject } from '../upstream/ask.ts';
import { askFor, askOptional, integerAt, objectAt, objectsAt, textAt } from '../upstream/ask.ts';
import { newestCheckpoint } from './first-contact.ts';

const pageSeals = 1000;
/** Of one question: what one search brings at most is 10,000. */
const windowSeqs = 4000;
const everywhere = 'expand_wildcards=open,hidden&ignore_unavailable=true';

export function remoteKnowledge(asker: Asker, key: VerifierKey): RemoteKnowledge {
  return {
    async newest() {
      // What was stored a moment ago is to be seen; who may not refresh waits for the search engine to do it.
      await asker.ask('POST', `/_refresh?${everywhere}`).catch(() => undefined);
      return newestCheckpoint(asker, key);
    },
    async seals(from) {
      const seals: { entry: number; text: Buffer }[] = [];
      for (let first = from; ; ) {
        const page = await sealPage(asker, first);
        seals.push(...page);
        const last = page.at(-1);
        if (last === undefined || page.length < pageSeals) return seals;
        first = last.entry + 1;
      }
    },
    async beyond(chains) {
      const should = chains.map(({ id, nextSeq }) => filterOf(id, { gte: nextSeq }));
      const body = { size: 1, _source: false, query: { bool: { should, minimum_should_match: 1 } } };
      const answer = await askOptional(asker, 'POST', `/_search?${everywhere}`, body);
      return objectsAt(objectAt(answer, 'hits'), 'hits').length > 0;
    },
    async records(chain, fromSeq) {
      const records: FoundRecord[] = [];
      for (let first = fromSeq; ; first += windowSeqs) {
        const query = filterOf(chain, { gte: first, lt: first + windowSeqs });
        const body = { size: 2 * windowSeqs, _source: ['logseal'], query };
        const hits = objectsAt(objectAt(await askFor(asker, 'POST', `/_search?${everywhere}`, body), 'hits'), 'hits');
        const found = hits.map(recordOf).filter((record) => record !== undefined);
        records.push(...found.sort((a, b) => a.seq - b.seq));
        if (found.length === 0) return records;
      }
    },
  };
}

function filterOf(chain: string, seq: object): object {
  return { bool: { filter: [{ term: { 'logseal.chain': chain } }, { range: { 'logseal.seq': seq } }] } };
}

async function sealPage(asker: Asker, from: number): Promise<{ entry: number; text: Buffer }[]> {
  const body = { size: pageSeals, sort: [{ entry: 'asc' }], query: { range: { entry: { gte: from } } } };
  const answer = await askOptional(asker, 'POST', '/logseal-seals/_search', body);
  const seals = objectsAt(objectAt(answer, 'hits'), 'hits').flatMap((hit) => {
    const source = objectAt(hit, '_source');
    const entry = integerAt(source, 'entry');
    const text = textAt(source, 'seal');
    return entry === undefined || text === undefined ? [] : [{ entry, text: Buffer.from(text) }];
  });
  return seals.sort((a, b) => a.entry - b.entry);
}

/** Undefined where something is missing without which no tag can be made. */
function recordOf(hit: JsonObject): FoundRecord | undefined {
  const field = objectAt(hit, '_source', 'logseal');
  const bytes = (name: string, length: number) => decodeBase64Url(textAt(field, name) ?? '', length);
  const [hash, prev, tag] = [bytes('hash', 32), bytes('prev', 16), bytes('tag', 16)];
  const [epoch, index, seq] = [integerAt(field, 'epoch'), integerAt(field, 'index'), integerAt(field, 'seq')];
  const timeMs = integerAt(field, 'time');
  const dest = textAt(field, 'dest');
  const id = textAt(field, 'id') ?? textAt(hit, '_id');
  if (hash === undefined || prev === undefined || tag === undefined || dest === undefined || id === undefined)
    return undefined;
  if (epoch === undefined || index === undefined || seq === undefined || timeMs === undefined) return undefined;
  const type = integerAt(field, 'type') === 1 ? 1 : 0;
  return { epoch, index, seq, timeMs, type, flags: integerAt(field, 'flags') ?? 0, dest, id, hash, prev, tag };
}
