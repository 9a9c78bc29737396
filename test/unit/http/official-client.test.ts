import { Client } from '@elastic/elasticsearch';
import t from 'tap';
import { LogsealError } from '../../../src/errors.ts';
import { startIntakeServer } from '../../helpers/intake-server.ts';

/** Undefined if the request was answered well. */
async function statusOf(request: Promise<unknown>): Promise<number | undefined> {
  return request.then(
    () => undefined,
    (error: { statusCode?: number }) => error.statusCode,
  );
}

t.test('the official client takes the proxy for Elasticsearch', async (t) => {
  const { url, intake } = await startIntakeServer(t);
  const client = new Client({ node: url, maxRetries: 0 });
  t.teardown(() => client.close());
  const result = await client.helpers.bulk({
    datasource: Array.from({ length: 500 }, (_, n) => ({ n })),
    onDocument: () => ({ create: { _index: 'logs' } }),
    flushBytes: 2000,
  });
  t.match(result, { total: 500, successful: 500, failed: 0, retry: 0 });
  t.same(new Set(intake.records.map(({ content }) => JSON.parse(content).n as number)).size, 500);
  t.match(await client.index({ index: 'logs', id: 'é 1', document: { a: 1 } }), { _id: 'é 1', result: 'created' });
  const bulk = await client.bulk({ index: 'logs', operations: [{ index: {} }, { a: 1 }, { delete: { _id: '1' } }] });
  t.match(bulk, { errors: true, items: [{ index: { status: 201 } }, { delete: { status: 400 } }] });
  t.equal(await statusOf(client.update({ index: 'logs', id: '1', doc: {} })), 403);
  t.equal(await statusOf(client.indices.delete({ index: 'logs' })), 403);
});

t.test('the official client hears that the log is full', async (t) => {
  const { url, intake } = await startIntakeServer(t);
  const client = new Client({ node: url, maxRetries: 0 });
  t.teardown(() => client.close());
  intake.onAdmit = async () => {
    throw new LogsealError('LOG_FULL', 'the write-ahead log is full');
  };
  t.equal(await statusOf(client.index({ index: 'logs', document: {} })), 429);
  t.equal(intake.records.length, 0);
});
