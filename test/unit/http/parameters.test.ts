import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { bulkParameters, documentParameters } from '../../../src/http/query-parameters.ts';
import type { IntakeServer } from '../../helpers/intake-server.ts';
import { post, startIntakeServer } from '../../helpers/intake-server.ts';
import { present } from '../../helpers/parse.ts';

type Row = Record<string, string>;

/** The rows of the table under a heading, by the names in its first line; code marks taken off, an empty code span is the empty text. */
function tableUnder(heading: string): Row[] {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/parameters.md'), 'utf8');
  const section = present(text.split(`## ${heading}\n`)[1]).split('\n## ')[0] ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  const cells = (line: string) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim());
  const [names, , ...rows] = lines.map(cells);
  return rows.map((row) => Object.fromEntries(present(names).map((name, i) => [name, present(row[i])])));
}

/** Undefined for a cell without a code span. */
const value = (cell: string | undefined) => /^`(.*)`$/.exec(cell ?? '')?.[1];

/** What has to be seen after a request with the parameter; `key` as in the metadata of the record. */
function checkEffect(
  t: Test,
  row: Row,
  key: string,
  server: IntakeServer,
  answer: { text: string; headers: Headers },
  plain: string,
) {
  const record = present(server.intake.records.at(-1));
  const ack = server.intake.acks.at(-1);
  switch (row.effect) {
    case 'travels with the record':
      return t.ok(record.meta !== undefined && key in record.meta, `${key} travels`);
    case 'waits for the search engine':
      return t.equal(ack, 'store', `${key} waits`);
    case 'shapes the answer':
      return t.not(`${answer.text}${answer.headers.get('content-type')}`, plain, `${key} shapes`);
    case 'bounds that wait':
    case 'none':
      return t.same([record.meta, ack], [undefined, 'wal'], `${key} changes nothing that is kept`);
    default:
      return t.fail(`unknown effect ${row.effect}`);
  }
}

t.test('every query parameter does what its row says', async (t) => {
  const server = await startIntakeServer(t);
  const targets = {
    bulk: (query: string) => post(`${server.url}/_bulk?${query}`, '{"index":{"_index":"logs","_id":"1"}}\n{}\n'),
    document: (query: string) => post(`${server.url}/logs/_doc/1?${query}`, '{}', {}, 'PUT'),
  };
  for (const row of tableUnder('Query parameters')) {
    const name = present(value(row.parameter));
    for (const kind of ['bulk', 'document'] as const) {
      const send = targets[kind];
      const known = (kind === 'bulk' ? bulkParameters : documentParameters).includes(name);
      const meant = row.treated !== 'refused' && (row.requests === 'both' || row.requests === kind);
      t.equal(known, meant, `${name} is ${meant ? '' : 'not '}known for ${kind}`);
      const good = value(row.value);
      if (meant && good !== undefined) {
        const plain = await send('');
        const answer = await send(`${name}=${good}`);
        t.ok(answer.status === 200 || answer.status === 201, `${kind} ${name}=${good}: ${answer.text.slice(0, 200)}`);
        checkEffect(t, row, name, server, answer, `${plain.text}${plain.headers.get('content-type')}`);
      }
      const bad = value(row['refused value']);
      if (bad !== undefined && (meant || row.treated === 'refused')) {
        const before = server.intake.records.length;
        const { status, json } = await send(`${name}=${bad}`);
        t.equal(status, 400, `${kind} ${name}=${bad}`);
        const { reason } = (json as { error: { reason: string } }).error;
        t.ok(reason === row.error || (row.treated === 'refused' && reason.endsWith(present(row.error))), reason);
        t.equal(server.intake.records.length, before, 'nothing is signed');
      }
    }
  }
});

t.test('the table names every query parameter that is known', async (t) => {
  const named = new Set(tableUnder('Query parameters').map((row) => value(row.parameter)));
  for (const name of [...bulkParameters, ...documentParameters]) t.ok(named.has(name), name);
});

t.test('every key of an action line does what its row says', async (t) => {
  const server = await startIntakeServer(t);
  const send = (metadata: string) => post(`${server.url}/logs/_bulk`, `{"index":{${metadata}}}\n{}\n`);
  for (const row of tableUnder('Keys of action lines')) {
    const key = present(value(row.key));
    const good = value(row.value);
    if (good !== undefined) {
      const answer = await send(`"${key}":${good}`);
      t.match(answer.json, { errors: false }, `${key}: ${answer.text.slice(0, 200)}`);
      checkEffect(t, row, key, server, answer, '');
      t.match((await send(`"${key}":null`)).json, { errors: false }, `${key}: null is absent`);
    }
    const bad = value(row['refused value']);
    if (bad !== undefined) {
      const before = server.intake.records.length;
      const { status, json } = await send(`"${key}":${bad}`);
      t.equal(status, 400, key);
      t.equal((json as { error: { reason: string } }).error.reason, row.error);
      t.equal(server.intake.records.length, before, 'nothing is signed');
    }
  }
});
