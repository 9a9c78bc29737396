/** Bytes on disk of 490-byte web records in Elasticsearch: unsigned, and signed in each form. Force-merged to one segment. */
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import { actionLine, webRecords } from './documents.ts';
import { ask, mappings } from './elasticsearch.ts';
import { SignedForm } from './signed-form.ts';
import type { Table } from './table.ts';

const recordBytes = 490;
const perBulk = 2000;

const forms: Record<string, { hash: boolean; rawAlways: boolean } | undefined> = {
  unsigned: undefined,
  'signed, raw left out': { hash: true, rawAlways: false },
  'signed, raw left out, hash: false': { hash: false, rawAlways: false },
  'signed, raw and hash': { hash: true, rawAlways: true },
};

export async function indexSizePart(scale: number): Promise<Table> {
  const title = `Index size, bytes a record of ${recordBytes} bytes`;
  const missing = ownElasticsearchMissing();
  if (missing !== false) return { title, head: [''], rows: [[missing]] };
  const records = webRecords(Math.max(20_000, Math.round(100_000 * scale)), recordBytes);
  const engine = await startElasticsearch();
  try {
    const rows: (string | number)[][] = [];
    let least = Number.NaN;
    for (const [name, form] of Object.entries(forms)) {
      const normal = await sizeOf(engine.url, 'default', records, form);
      const best = await sizeOf(engine.url, 'best_compression', records, form);
      if (form === undefined) least = best;
      rows.push([name, normal, best, best / least]);
    }
    const head = ['', 'default codec', 'best_compression', 'of unsigned with best_compression'];
    return { title, head, rows, notes: ['The aim is 1.75 for the default form, raw left out.'] };
  } finally {
    await engine.remove();
  }
}

async function sizeOf(
  url: string,
  codec: string,
  records: readonly string[],
  options: { hash: boolean; rawAlways: boolean } | undefined,
): Promise<number> {
  const dest = `size-${codec.replace('_', '-')}`;
  const settings = { 'index.codec': codec, 'index.number_of_replicas': 0, 'index.refresh_interval': '-1' };
  await ask(url, 'PUT', `/${dest}`, { settings, mappings });
  const form = options === undefined ? undefined : new SignedForm(dest, options);
  for (let at = 0; at < records.length; at += perBulk) {
    const part = records.slice(at, at + perBulk);
    const unsigned = () => part.map((record) => `${actionLine(dest)}${record}\n`).join('');
    const body = form === undefined ? unsigned() : form.body(part);
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = await fetch(`${url}/_bulk?filter_path=errors`, { method: 'POST', headers, body });
    if ((await answer.text()) !== '{"errors":false}') throw new Error('a bulk request was not taken');
  }
  await ask(url, 'POST', `/${dest}/_forcemerge?max_num_segments=1&flush=true`);
  await ask(url, 'POST', `/${dest}/_refresh`);
  const stats = (await ask(url, 'GET', `/${dest}/_stats/store`)) as {
    _all: { primaries: { store: { size_in_bytes: number } } };
  };
  await ask(url, 'DELETE', `/${dest}`);
  return stats._all.primaries.store.size_in_bytes / records.length;
}
