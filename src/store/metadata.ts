/** What the store says about itself, as far as shippers and clients ask for it. */
import type { StoreDatabase, StoredIndex } from './database.ts';

/** The API that is spoken; clients choose their dialect by it. */
const version = '9.5.3';

export function root(clusterUuid: string): Record<string, unknown> {
  return {
    name: 'logseal-embedded-store',
    cluster_name: 'logseal',
    cluster_uuid: clusterUuid,
    version: {
      number: version,
      build_flavor: 'default',
      build_type: 'embedded',
      build_hash: 'unknown',
      build_date: '2026-01-01T00:00:00.000Z',
      build_snapshot: false,
      lucene_version: '10.4.0',
      minimum_wire_compatibility_version: '8.19.0',
      minimum_index_compatibility_version: '8.0.0',
    },
    tagline: 'You Know, for Search',
  };
}

export function health(database: StoreDatabase): Record<string, unknown> {
  const shards = database.indices().length;
  return {
    cluster_name: 'logseal',
    status: 'green',
    timed_out: false,
    number_of_nodes: 1,
    number_of_data_nodes: 1,
    active_primary_shards: shards,
    active_shards: shards,
    relocating_shards: 0,
    initializing_shards: 0,
    unassigned_shards: 0,
    delayed_unassigned_shards: 0,
    number_of_pending_tasks: 0,
    number_of_in_flight_fetch: 0,
    task_max_waiting_in_queue_millis: 0,
    active_shards_percent_as_number: 100,
  };
}

/** Logstash takes a host without a license for dead. */
export function license(): Record<string, unknown> {
  return {
    license: {
      status: 'active',
      uid: '00000000-0000-0000-0000-000000000000',
      type: 'basic',
      issued_to: 'logseal',
      issuer: 'logseal',
    },
  };
}

/** One index as `GET /{index}` shows it, or one part of that. */
export function describeIndex({ uuid }: StoredIndex, part: string | undefined): Record<string, unknown> {
  const settings = { index: { number_of_shards: '1', number_of_replicas: '0', uuid } };
  if (part === '_mapping') return { mappings: {} };
  if (part === '_settings') return { settings };
  if (part === '_alias') return { aliases: {} };
  return { aliases: {}, mappings: {}, settings };
}

/** Plain text as `_cat` gives it, or `format=json`. */
export function catIndices(
  database: StoreDatabase,
  indices: readonly StoredIndex[],
  query: URLSearchParams,
): string | Record<string, unknown>[] {
  const size = database.prepare(
    'SELECT count(*) AS documents, coalesce(sum(length(source)), 0) AS bytes FROM documents WHERE index_number = ?',
  );
  const rows = indices.map(({ number, name, uuid }) => {
    const { documents, bytes } = size.get(number) as { documents: number; bytes: number };
    return {
      health: 'green',
      status: 'open',
      index: name,
      uuid,
      pri: '1',
      rep: '0',
      'docs.count': String(documents),
      'docs.deleted': '0',
      'store.size': `${bytes}b`,
      'pri.store.size': `${bytes}b`,
    };
  });
  const columns = query.get('h')?.split(',');
  const chosen = rows.map(
    (row): Record<string, string> =>
      Object.fromEntries(Object.entries(row).filter(([name]) => columns?.includes(name) ?? true)),
  );
  if (query.get('format') === 'json') return chosen;
  const titles = Object.fromEntries(Object.keys(rows[0] ?? {}).map((name) => [name, name]));
  const lines = [...(query.get('v') === null || query.get('v') === 'false' ? [] : [titles]), ...chosen];
  const names = columns ?? Object.keys(rows[0] ?? {});
  const widths = names.map((name) => Math.max(...lines.map((line) => (line[name] ?? '').length), 0));
  return lines
    .map(
      (line) =>
        `${names
          .map((name, at) => (line[name] ?? '').padEnd(widths[at] ?? 0))
          .join(' ')
          .trimEnd()}\n`,
    )
    .join('');
}
