import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { StoreReader } from '../../../src/store/reader.ts';
import { startStore } from '../../../src/store/worker.ts';
import { client, lines, startedStore } from '../../helpers/store-client.ts';

t.test('documents and identity survive a stop and a start', async (t) => {
  const dataDir = t.testdir();
  const first = await startStore({ dataDir, listen: { host: '127.0.0.1', port: 0 } });
  t.ok((first.port ?? 0) > 0);
  await client(first)(
    'POST',
    '/_bulk',
    lines({ create: { _index: 'a', _id: '1' } }, '{}', { create: { _index: 'a', _id: '2' } }, '{}', {
      delete: { _index: 'a', _id: '2' },
    }),
  );
  await first.stop();
  const store = await startStore({ dataDir });
  t.teardown(() => store.stop());
  const ask = client(store);
  t.equal(store.clusterUuid, first.clusterUuid);
  t.equal((await ask('GET', '/_count')).json.count, 1);
  const third = await ask('PUT', '/a/_doc/3', '{}');
  t.equal(third.json._seq_no, 3, 'sequence numbers are never given twice');
  t.equal(statSync(join(dataDir, 'store')).mode & 0o777, 0o700);
});

t.test('the reader sees one snapshot beside the running store, in flat batches', async (t) => {
  const { ask, path } = await startedStore(t);
  const dataDir = dirname(path);
  const body = Array.from({ length: 2500 }, (_, at) =>
    lines({ create: { _index: at % 5 ? 'a' : 'b', _id: `${at}` } }, { at }),
  ).join('');
  await ask('POST', '/_bulk', body);
  using reader = StoreReader.open(path);
  await ask('PUT', '/a/_doc/late', '{}');
  t.strictSame(reader.indices(), [
    { name: 'a', documents: 2000 },
    { name: 'b', documents: 500 },
  ]);
  t.strictSame(
    [...reader.documents()].map((batch) => batch.length),
    [1000, 1000, 500],
  );
  t.equal(
    [...reader.documents('b')].flat().every(({ index }) => index === 'b'),
    true,
  );
  t.strictSame([...reader.documents('none')], []);
  t.throws(() => StoreReader.open(join(dataDir, 'none.sqlite')), { code: 'DATA_DIR_INVALID' });
  writeFileSync(join(dataDir, 'text.sqlite'), 'not a database, but long enough to be looked at as one'.repeat(100));
  t.throws(() => StoreReader.open(join(dataDir, 'text.sqlite')), { code: 'DATA_DIR_INVALID' });
});

t.test('a store of another format and a file that is none are refused at start', async (t) => {
  const dataDir = t.testdir({ other: { store: {} }, none: { store: { 'logseal.sqlite': 'text '.repeat(1000) } } });
  const database = new DatabaseSync(join(dataDir, 'other', 'store', 'logseal.sqlite'));
  database.exec(
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT; INSERT INTO meta VALUES ('format', '99')",
  );
  database.close();
  await t.rejects(startStore({ dataDir: join(dataDir, 'other') }), { code: 'DATA_DIR_INVALID', message: /format 99/ });
  await t.rejects(startStore({ dataDir: join(dataDir, 'none') }), {
    code: 'DATA_DIR_INVALID',
    message: /not a database/,
  });
});

t.test('a data directory with a long path gets a private short one for its socket', async (t) => {
  const dataDir = join(t.testdir(), 'x'.repeat(60), 'y'.repeat(60));
  mkdirSync(dataDir, { recursive: true });
  const store = await startStore({ dataDir });
  t.ok(store.socketPath.startsWith(tmpdir()) && store.socketPath.length <= 100);
  t.equal(statSync(join(store.socketPath, '..')).mode & 0o777, 0o700);
  t.equal((await client(store)('GET', '/')).status, 200);
  await store.stop();
  t.throws(() => statSync(join(store.socketPath, '..')), { code: 'ENOENT' });
});
