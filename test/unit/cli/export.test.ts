import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runLogseal } from '../../helpers/terminal.ts';
import { vectorLines, vectorLog, writeStore } from '../../helpers/vector-store.ts';

const dir = t.testdir({ 'trust.json': JSON.stringify(vectorLog.trust), 'empty.ndjson': '\n' });
const data = join(dir, 'data');
writeStore(data, vectorLines);
const trust = join(dir, 'trust.json');
const exported = join(dir, 'export.ndjson');

const sorted = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.includes('"_mappings"'))
    .sort();
const dataStream = '.ds-logs-app-default-2025.11.23-000001';
const recordsOf = (text: string) => sorted(text).filter((line) => line.startsWith(`{"_index":"${dataStream}`)).length;
const allRecords = recordsOf(vectorLines.join('\n'));

t.test('an export holds every document to the byte, and a line for each index', async (t) => {
  const { stdout, stderr, exitCode } = await runLogseal(['export', data]);
  t.equal(exitCode, 0, stderr);
  writeFileSync(exported, stdout);
  t.same(sorted(stdout), [...vectorLines].sort());
  const described = stdout.split('\n').filter((line) => line.includes('"_mappings"'));
  t.same(
    described.map((line) => JSON.parse(line)._index),
    [...new Set(vectorLines.map((line) => JSON.parse(line)._index))].sort(),
  );
});

t.test(
  'an export verifies elsewhere as its source does: from a file, from standard input, and exported once more',
  async (t) => {
    const args = ['--public', '--trust', trust, '--no-state', '--json'];
    const summaryOf = ({ stdout }: { stdout: string }) => JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    const file = summaryOf(await runLogseal(['verify', exported, ...args]));
    const { exit, records, OK } = vectorLog.expected;
    t.match(file, { exit, records, counts: { OK } });
    const stream = summaryOf(await runLogseal(['verify', '-', ...args], {}, readFileSync(exported)));
    t.same(stream.counts, file.counts);
    const again = await runLogseal(['export', '-'], {}, readFileSync(exported));
    t.equal(sorted(again.stdout).join('\n'), sorted(readFileSync(exported, 'utf8')).join('\n'));
    const keys = await runLogseal(['export', join(dir, 'nowhere')]);
    t.equal(keys.exitCode, 3);
  },
);

t.test('a choice of index or time filters records, never the documents of Logseal itself', async (t) => {
  const own = (text: string) => sorted(text).filter((line) => line.includes('"_index":"logseal-'));
  const whole = own(vectorLines.join('\n'));
  const at = async (...flags: string[]) => (await runLogseal(['export', data, ...flags])).stdout;
  const other = await at('--index', 'metrics-*');
  t.equal(recordsOf(other), 0);
  t.same(own(other), whole);
  t.equal(recordsOf(await at('--index', 'logs-app-*')), allRecords, 'a data stream means its backing indices');
  t.equal(recordsOf(await at('--index', '*,-.ds-*')), 0);
  const early = await at('--to', '1763891234680');
  t.ok(recordsOf(early) > 0 && recordsOf(early) < allRecords);
  const late = await at('--from', new Date(1763891234680).toISOString());
  t.equal(recordsOf(early) + recordsOf(late), allRecords);
  t.equal(own(late).filter((line) => !line.includes('logseal-rejects')).length, whole.length - 1);
});

t.test('what cannot be exported is one sentence and exit code 3', async (t) => {
  const refused = async (args: string[], sentence: RegExp) => {
    const { exitCode, stderr } = await runLogseal(['export', ...args]);
    t.equal(exitCode, 3);
    t.match(stderr, sentence);
  };
  await refused([join(dir, 'empty.ndjson')], /holds nothing that could be exported/);
  await refused([data, '--index', 'a/b'], /--index a\/b is no name/);
  await refused([data, '--from', 'yesterday'], /--from yesterday is no time/);
  await refused(['http://127.0.0.1:1'], /cannot be reached/);
});

t.test(
  'the trust file of a source that is seen for the first time is pinned, saying so, and then gone on from',
  async (t) => {
    const out = join(dir, 'grown.json');
    const first = await runLogseal(['trust', exported, '--out', out]);
    t.equal(first.exitCode, 0, first.stderr);
    t.match(first.stderr, /pinned/);
    const written = JSON.parse(readFileSync(out, 'utf8'));
    t.same(
      { ...written, chains: written.chains.sort() },
      { ...vectorLog.trust, chains: vectorLog.trust.chains.toSorted() },
    );
    t.equal(statSync(out).mode & 0o777, 0o644);
    const second = await runLogseal(['trust', exported, '--out', out]);
    t.equal(second.stderr, '');
    const known = await runLogseal(['trust', data, '--trust', trust, '--out', '-']);
    t.equal(
      known.stdout,
      readFileSync(out, 'utf8').replace(/"chains": \[[^\]]*\]/, known.stdout.match(/"chains": \[[^\]]*\]/)?.[0] ?? ''),
    );
    t.notMatch(known.stderr, /pinned/);
  },
);

t.test('a trust file never loses a chain, and names only chains that verified records name', async (t) => {
  const older = join(dir, 'older.json');
  const extra = 'AAECAwQFBgcICQoLDA0ODw';
  writeFileSync(older, JSON.stringify({ ...vectorLog.trust, chains: [vectorLog.trust.control, extra] }));
  const { stdout } = await runLogseal(['trust', exported, '--trust', older, '--out', '-']);
  t.same(JSON.parse(stdout).chains.sort(), [...vectorLog.trust.chains, extra].sort());
  const foreign = join(dir, 'foreign.json');
  const chains = [extra];
  writeFileSync(foreign, JSON.stringify({ ...vectorLog.trust, control: extra, chains }));
  const none = await runLogseal(['trust', exported, '--trust', foreign, '--out', '-']);
  t.same(JSON.parse(none.stdout).chains, [extra]);
  t.match(none.stderr, /findings on the way/);
});

t.test('a data directory gives the trust file of its own instance', async (t) => {
  const own = join(dir, 'own');
  mkdirSync(own);
  const { control, chains } = vectorLog.trust;
  writeFileSync(join(own, 'trust.json'), JSON.stringify({ ...vectorLog.trust, chains: [control] }));
  const described = chains.map((id: string) => ({ id, name: 'x', suite: 1, createdMs: 1 }));
  writeFileSync(join(own, 'instance.json'), JSON.stringify({ name: 'x', certificates: [], chains: described }));
  const out = join(dir, 'own.json');
  const { stdout } = await runLogseal(['trust', own, '--out', out]);
  t.match(stdout, /2 chains/);
  t.same(new Set(JSON.parse(readFileSync(out, 'utf8')).chains), new Set(chains));
});

t.test('no trust file is written where there is nothing to trust, or more than one instance', async (t) => {
  const out = join(dir, 'never.json');
  const none = await runLogseal(['trust', join(dir, 'empty.ndjson'), '--out', out]);
  t.equal(none.exitCode, 3);
  t.match(none.stderr, /no instance was found/);
  const wrong = await runLogseal(['trust', exported, '--out', out, '--origin', 'other/logseal']);
  t.equal(wrong.exitCode, 3);
  t.equal(statSync(out, { throwIfNoEntry: false }), undefined);
});
