import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import type { ViewJudge } from '../../../src/verify/source.ts';
import { NdjsonSource } from '../../../src/verify/sources/ndjson.ts';
import { LogBuilder } from '../../helpers/log-builder.ts';
import type { RunResult, TextDocument } from '../../helpers/verify-run.ts';
import { runVerify } from '../../helpers/verify-run.ts';

/** A small export with all its lines, the data records without raw, so that every byte of content is covered. */
function smallLog(raw: boolean): LogBuilder {
  const log = new LogBuilder({ raw });
  const chain = log.chain('logs');
  log.place('logs');
  log.records(chain, 2);
  log.record(chain, { id: 'given' });
  log.seal(chain);
  log.sealAll('shutdown');
  log.checkpoint();
  return log;
}

const lineOf = ({ index, id, source }: TextDocument): string =>
  `{"_index":${JSON.stringify(index)},"_id":${JSON.stringify(id)},"_source":${source}}`;

/** What people see, compared as plainly as can be: the real comparison has tests of its own. */
const plainView: ViewJudge = {
  describe: () => {},
  signed: () => {},
  finish: () => [],
  compare: ({ source, signed }) => {
    try {
      const { logseal: _field, ...seen } = JSON.parse(source.toString());
      return isDeepStrictEqual(seen, JSON.parse(signed.toString())) ? undefined : { drift: 'differs' };
    } catch {
      return { drift: 'is not JSON' };
    }
  },
};

/** Members of the signature field that say nothing about record or place: what stands in them is not signed. */
function isCovered(line: string, at: number, withKey: boolean): boolean {
  // With the key a checkpoint that is gone is only less proof.
  if (withKey && line.includes('"_index":"logseal-checkpoints"')) return at > line.indexOf('"_source"');
  const entry = line.indexOf(',"entry":');
  const timestamp = line.indexOf('"@timestamp"');
  const seal = line.indexOf(',"seal"');
  const index = line.indexOf('"_id"');
  if (line.includes('"_index":"logseal-seals"') || line.includes('"_index":"logseal-checkpoints"')) {
    // `_id`, time and hint of a seal are conveniences; the name of the index is what makes it one.
    if (entry > 0 && at >= entry) return false;
    if (timestamp > 0 && at >= timestamp && at < seal) return false;
    if (at >= index && at < line.indexOf('"_source"')) return false;
  }
  return true;
}

async function judgeFile(path: string, log: LogBuilder, withKey: boolean): Promise<RunResult> {
  const source = new NdjsonSource(path, undefined);
  return runVerify([], { source, view: plainView, trust: [log.trust], ...(withKey ? { secrets: log.secrets } : {}) });
}

const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Date.now() % 1_000_000);
t.comment(`seed ${seed}`);

t.test('a flipped byte of an export never goes unnoticed and never crashes the verifier', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'export.ndjson');
  for (const raw of [false, true]) {
    const log = smallLog(raw);
    const lines = log.documents.map(lineOf);
    const bytes = Buffer.from(`${lines.join('\n')}\n`, 'latin1');
    writeFileSync(path, bytes);
    t.same((await judgeFile(path, log, true)).findings, [], 'as it was it is OK');
    t.same((await judgeFile(path, log, false)).findings, []);
    const unnoticed: string[] = [];
    let start = 0;
    for (const line of lines) {
      for (let at = 0; at < line.length; at++) {
        // Every byte would take minutes: one in 149, others with every seed.
        if (
          createHash('md5')
            .update(`${seed} ${start + at}`)
            .digest()
            .readUInt16BE() %
            23 !==
          0
        )
          continue;
        const changed = Buffer.from(bytes);
        changed[start + at] = (changed[start + at] ?? 0) ^ (1 << (at % 7));
        writeFileSync(path, changed);
        for (const withKey of [true, false]) {
          if (!isCovered(line, at, withKey)) continue;
          const { summary } = await judgeFile(path, log, withKey);
          if (summary.exit !== 0) continue;
          unnoticed.push(
            `${withKey ? 'key' : 'public'} ${at}: ${changed.toString('latin1', start + Math.max(0, at - 20), start + at + 20)}`,
          );
        }
      }
      start += line.length + 1;
    }
    t.same(unnoticed, [], `raw ${raw}`);
  }
});
