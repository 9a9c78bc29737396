/**
 * A verifier written by somebody else from the format page alone (verifier.py and its neighbours here) against ours: over the
 * test vectors, over an export of the real proxy, and over that export after tampering. They must agree finding by finding.
 */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { bare } from '../helpers/command.ts';
import { onPath } from '../helpers/java.ts';
import { startProxy } from '../helpers/proxy.ts';
import type { CommandResult } from '../helpers/verify-command.ts';
import { logseal } from '../helpers/verify-command.ts';

const vectorsPath = join(import.meta.dirname, '..', 'vectors', 'vectors.json');
const missing = onPath('python3')
  ? undefined
  : 'NOT RUN: the second verifier is written in Python, and python3 is not here: install Python 3.11 or later';
if (missing !== undefined) process.stderr.write(`${missing}\n`);

/** Each in a place of its own of the format page; names are those of tamperings.py. */
const tamperings = [
  'nothing',
  'flip-tag',
  'change-seq',
  'chain-of-nobody',
  'delete-run',
  'copy-other-id',
  'move-to-rejects',
  'unsigned-added',
  'field-removed',
  'field-twice',
  'plain-blank-before-field',
  'raw-member-added',
  'raw-spelled-otherwise',
  'erased-by-nobody',
  'spelling-seq-leading-zero',
  'spelling-tag-escaped',
  'members-reversed',
  'given-id-changed',
  'delete-seal-middle',
  'seal-entry-wrong',
  'checkpoint-signature',
  'control-record-deleted',
  'reject-deleted',
  'key-other-time-same-place',
  'control-changed',
  'digests-garbage',
];

/** Another spelling or order that the format allows. */
const harmless = ['nothing', 'raw-spelled-otherwise', 'members-reversed', 'seal-entry-wrong'];

t.test('the test vectors hold for a verifier written from the page alone', { skip: missing ?? false }, async (t) => {
  const dir = t.testdir();
  const vectors = await python('check_vectors.py', vectorsPath, '--log', dir);
  t.match(vectors, { exit: 0, stdout: /^\d+ checked, 0 differ\n$/ }, vectors.stdout + vectors.stderr);
  const expected = JSON.parse(await readFile(join(dir, 'expected.json'), 'utf8')) as Record<string, number>;
  const { log } = JSON.parse(await readFile(vectorsPath, 'utf8')) as { log: { operatorSpki: string } };
  const judged = await python(
    'verifier.py',
    ...[join(dir, 'log.ndjson'), '--trust', join(dir, 'trust.json'), '--keys', join(dir, 'keys.json')],
    ...['--operator-key', log.operatorSpki],
  );
  const { exit, records, ...counts } = expected;
  const summary = summaryOf(judged);
  t.match(summary, { exit, records });
  t.strictSame(summary.counts, { ...counts, UNANCHORED: 1 });
});

t.test('both verifiers say the same of an export, tampered with or not', { skip: missing ?? false }, async (t) => {
  const dir = t.testdir({ cases: {} });
  const { exported, trust, keys, key } = await exportOfTheRealProxy(dir);
  const cases = join(dir, 'cases');
  const made = await python('tamperings.py', exported, cases, '--keys', keys, '--only', ...tamperings);
  t.strictSame(
    made.stdout.trim().split('\n').sort(),
    [...tamperings].sort(),
    'each tampering finds something to tamper with',
  );
  for (const name of tamperings) {
    const file = join(cases, `${name}.ndjson`);
    const options = ['--trust', trust, '--grace', '0'];
    const [theirs, ours] = await Promise.all([
      python('verifier.py', file, ...options, '--keys', keys),
      logseal('verify', file, ...options, '--key', key, '--no-state', '--json'),
    ]);
    t.strictSame(said(ours), said(theirs), name);
    t.equal(ours.exit, harmless.includes(name) ? 0 : 1, `${name} ends with ${ours.exit}`);
  }
});

function python(script: string, ...args: string[]): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(
      ...bare('python3', ['-B', join(import.meta.dirname, script), ...args]),
      { maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        resolve({ exit: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr });
      },
    );
  });
}

interface Said {
  verdict: string;
  chain?: string;
  seq?: number;
  found?: { _index?: string; _id?: string };
}

const good = ['OK', 'REJECTED-OK', 'ERASED-OK', 'RETIRED-OK', 'PENDING'];
/** Which document or seq shows these is for a verifier to choose. */
const withoutPlace = ['TRUNCATED', 'FORK', 'CLOCK', 'UNCLEAN', 'EQUIVOCATION'];

/** What two verifiers must agree on: exit code, numbers of good records, and each finding with its place. */
function said(result: CommandResult): object {
  const lines = result.stdout.split('\n').filter((line) => line !== '');
  const findings = lines.slice(0, -1).map((line) => JSON.parse(line) as Said);
  const places = findings.map(({ verdict, chain, seq, found }) => {
    if (withoutPlace.includes(verdict)) return verdict;
    return [verdict, chain, seq, found?._index, found?._id].join(' ');
  });
  const { counts, exit } = summaryOf(result);
  const numbers = good.map((verdict) => `${verdict} ${counts[verdict] ?? 0}`);
  const told = places.filter((place) => !/^(UNANCHORED|WEAK|PENDING)/.test(place));
  return { exit: result.exit, summary: exit, numbers, findings: [...new Set(told)].sort() };
}

function summaryOf(result: CommandResult): { exit: number; records: number; counts: Record<string, number> } {
  const last = result.stdout.trimEnd().split('\n').at(-1) ?? '';
  if (!last.startsWith('{')) throw new Error(`no summary: ${result.stdout}${result.stderr}`);
  return JSON.parse(last);
}

/** Given ids, generated ids, rejects, pretty-printed and odd JSON, several destinations, a crash and small epochs. */
async function exportOfTheRealProxy(dir: string) {
  const dataDir = join(dir, 'data');
  const environment = { LOGSEAL_EPOCH_RECORDS_MAX: '7', LOGSEAL_ACK: 'store' };
  for (const end of ['kill', 'stop'] as const) {
    const proxy = await startProxy({ dataDir, environment });
    await send(proxy.url, end);
    await proxy[end]();
  }
  const key = join(dataDir, 'development-auditor', 'auditor.key.pem');
  const [lines, secrets] = await Promise.all([
    logseal('export', dataDir),
    logseal('keys', 'unwrap', dataDir, '--key', key, '--json'),
  ]);
  const exported = join(dir, 'export.ndjson');
  const keys = join(dir, 'keys.json');
  await writeFile(exported, lines.stdout);
  await writeFile(keys, secrets.stdout);
  return { exported, keys, key, trust: join(dataDir, 'trust.json') };
}

async function send(url: string, run: string): Promise<void> {
  const { accepted } = JSON.parse(await readFile(vectorsPath, 'utf8')) as {
    accepted: { contents: { received: string }[] };
  };
  const texts = accepted.contents.map(({ received }) => received.trim()).filter((text) => !/[\r\n]/.test(text));
  const lines = texts.flatMap((text, i) => [JSON.stringify({ create: { _index: `logs-${i % 2}` } }), text]);
  for (const id of ['order/4711 ä', '😀', 'x'.repeat(512), 'a"b\\c', '\u2028', `of ${run}`]) {
    lines.push(JSON.stringify({ create: { _index: 'logs-0', _id: id } }), JSON.stringify({ id, run }));
  }
  await post(url, '/_bulk', 'application/x-ndjson', `${lines.join('\n')}\n`);
  await post(url, '/logs-1/_doc', 'application/json', JSON.stringify({ pretty: [1, { run }] }, null, 2));
}

async function post(url: string, path: string, contentType: string, body: string): Promise<void> {
  const answer = await fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': contentType }, body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
}
