import { readFileSync } from 'node:fs';
import t from 'tap';
import type { TextDocument } from '../../helpers/verify-run.ts';
import { publicKeyFrom, runVerify } from '../../helpers/verify-run.ts';

const { log } = JSON.parse(readFileSync(new URL('../../vectors/vectors.json', import.meta.url), 'utf8'));

/** Cuts `_source` out of an export line as text. */
function documentOf(line: string): TextDocument {
  const { _index: index, _id: id } = JSON.parse(line);
  const source = line.slice(line.indexOf('"_source":') + '"_source":'.length, -1);
  return { index, id, source: Buffer.from(source).toString('latin1') };
}

const documents: TextDocument[] = log.documents.map(({ line }: { line: string }) => documentOf(line));
const byKey = { trust: [log.trust], secrets: log.S_chain, operatorKeys: [publicKeyFrom(log.operatorSpki)] };

t.test('the log of the vectors gives what it is said to give, with the key', async (t) => {
  const { findings, summary } = await runVerify(documents, byKey);
  const { exit, records, ...counts } = log.expected;
  t.equal(summary.exit, exit);
  t.equal(summary.records, records);
  t.match(summary.counts, counts);
  t.same(
    findings.map(({ verdict, seq }) => [verdict, seq]),
    [['ACKNOWLEDGED(MISSING)', 8]],
  );
});

t.test('the log of the vectors gives the same without the key', async (t) => {
  const { findings, summary } = await runVerify(documents, { ...byKey, secrets: undefined });
  const { exit, records, ...counts } = log.expected;
  t.same(findings.map(({ verdict, seq, detail }) => [verdict, seq, detail]).slice(1), []);
  t.equal(summary.exit, exit);
  t.equal(summary.records, records);
  t.match(summary.counts, counts);
});
