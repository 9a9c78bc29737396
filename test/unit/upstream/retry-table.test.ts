import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { errorVerdict, retryRules } from '../../../src/upstream/retry-table.ts';

interface Row {
  status: number;
  type: string;
  reason: string;
  deciding: string | undefined;
  verdict: string;
}

const page = await readFile(join(import.meta.dirname, '../../../docs/errors.md'), 'utf8');
const rows: Row[] = page
  .split('\n')
  .filter((line) => /^\| \d{3} \|/.test(line))
  .map((line) => {
    const [status, type, reason, verdict] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim());
    return {
      status: Number(status),
      type: type!.replaceAll('`', ''),
      reason: reason!.replaceAll('**', ''),
      deciding: /\*\*(.+?)\*\*/.exec(reason!)?.[1],
      verdict: verdict!,
    };
  });

t.test('every row of docs/errors.md is what the code does', async (t) => {
  t.ok(rows.length >= retryRules.length);
  for (const row of rows) {
    t.equal(errorVerdict(row, row.status), row.verdict, `${row.status} ${row.type} ${row.reason.slice(0, 60)}`);
  }
});

t.test('every rule of the code stands in docs/errors.md with its deciding words', async (t) => {
  for (const rule of retryRules) {
    const row = rows.find(({ type, deciding }) => type === rule.type && deciding === rule.reason);
    t.equal(row?.verdict, rule.verdict, `${rule.type} ${rule.reason ?? ''}`);
  }
});

t.test('bold words without a rule would be a promise that nothing keeps', async (t) => {
  for (const { type, deciding } of rows.filter((row) => row.deciding !== undefined)) {
    t.ok(
      retryRules.some((rule) => rule.type === type && rule.reason === deciding),
      `${type} ${deciding}`,
    );
  }
});

t.test('back-pressure and server errors are never final, whatever their type says', async (t) => {
  for (const { type, reason } of rows.filter((row) => row.verdict === 'reject')) {
    for (const status of [429, 500, 502, 503, 504]) t.equal(errorVerdict({ type, reason }, status), 'retry', type);
  }
});

t.test('a document cannot make the mapping look guilty by quoting the words', async (t) => {
  const quoting = [
    "[1:6] failed to parse field [a] of type [long] in document with id '[logseal'. Preview of field's value: '[logseal]'",
    'failed to parse field [logsealed] of type [long]',
    'x failed to parse field [logseal] of type [long]',
  ];
  for (const reason of quoting) {
    t.equal(errorVerdict({ type: 'document_parsing_exception', reason }, 400), 'reject', reason);
  }
});
