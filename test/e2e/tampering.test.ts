/**
 * Whatever somebody with rights in Elasticsearch does to signed records, straight at Elasticsearch: verification names the verdict and
 * the place, and nothing beside it. Each act has an index and a chain of its own, 25 records in epochs of 10, so that one run
 * of verification judges all of them next to each other.
 */
import { join } from 'node:path';
import t from 'tap';
import { syslogMessages } from '../fixtures/syslog/messages.ts';
import { ownElasticsearchMissing } from '../helpers/elasticsearch.ts';
import { forgedRecord } from '../helpers/forged-record.ts';
import type { SealedCluster } from '../helpers/sealed-cluster.ts';
import { epochRecords, sendAll, startSealedCluster } from '../helpers/sealed-cluster.ts';
import { tell } from '../helpers/verify-command.ts';

const perIndex = 25;

interface Scene {
  cluster: SealedCluster;
  index: string;
  /** Id of the chain, 22 characters. */
  chain: string;
  /** The id of a record. */
  id(seq: number): string;
  /** Changes the text of one document. */
  change(seq: number, from: string | RegExp, to: string): Promise<void>;
  remove(...seqs: number[]): Promise<void>;
}

interface Act {
  name: string;
  index: string;
  /** Settings and mappings of the index, where it is made before. */
  made?: object;
  act(scene: Scene): Promise<unknown>;
  withKey: string[];
  withoutKey: string[];
}

const logsdb = { settings: { 'index.mode': 'logsdb' }, mappings: { properties: { message: { type: 'keyword' } } } };

const acts: Act[] = [
  {
    name: 'a visible field changed',
    index: 'visible',
    act: ({ change }) => change(7, 'number 7', 'number 1'),
    withKey: ['MODIFIED visible 7'],
    withoutKey: ['MODIFIED visible 7'],
  },
  {
    name: 'one blank added in _source',
    index: 'blank',
    act: ({ change }) => change(7, ',"message"', ', "message"'),
    withKey: ['MODIFIED blank 7'],
    withoutKey: ['MODIFIED blank 7'],
  },
  {
    name: 'raw changed in logsdb',
    index: 'raw',
    made: logsdb,
    act: ({ change }) => change(7, /number 7(?=\\")/, 'number 1'),
    withKey: ['MODIFIED raw 7'],
    withoutKey: ['MODIFIED raw 7'],
  },
  {
    name: 'a visible field changed in logsdb',
    index: 'synthetic',
    made: logsdb,
    act: ({ change }) => change(7, /number 7(?!\\")/, 'number 1'),
    withKey: ['VIEW-DRIFT synthetic 7'],
    withoutKey: ['VIEW-DRIFT synthetic 7'],
  },
  {
    name: 'raw and visible field changed alike',
    index: 'alike',
    made: logsdb,
    act: ({ change }) => change(7, /number 7/g, 'number 1'),
    withKey: ['MODIFIED alike 7'],
    withoutKey: ['MODIFIED alike 7'],
  },
  {
    name: 'moved into the rejects index',
    index: 'hidden',
    async act({ cluster: { elastic }, index, id, remove }) {
      await elastic.put('logseal-rejects', id(7), await elastic.source(index, id(7)));
      await remove(7);
    },
    withKey: ['MOVED hidden 7'],
    withoutKey: ['MOVED hidden 7'],
  },
  {
    name: 'a runtime field that shadows a signed one',
    index: 'shadow',
    act: ({ cluster: { elastic }, index }) =>
      elastic.ask('PUT', `/${index}/_mapping`, { runtime: { message: lookup } }),
    withKey: ['VIEW-DRIFT shadow'],
    withoutKey: ['VIEW-DRIFT shadow'],
  },
  {
    name: 'a document deleted',
    index: 'deleted',
    act: ({ remove }) => remove(13),
    withKey: ['MISSING deleted 13'],
    withoutKey: ['MISSING deleted 13', 'MODIFIED deleted epoch 1'],
  },
  {
    name: 'the first, the last and one in the middle of an epoch deleted',
    index: 'edges',
    act: ({ remove }) => remove(10, 15, 19),
    withKey: ['MISSING edges 10', 'MISSING edges 15', 'MISSING edges 19'],
    withoutKey: ['MISSING edges 10', 'MISSING edges 15', 'MISSING edges 19', 'MODIFIED edges epoch 1'],
  },
  {
    name: 'a document copied under another id',
    index: 'twice',
    act: async ({ cluster: { elastic }, index, id }) => elastic.put(index, 'copy', await elastic.source(index, id(7))),
    withKey: ['DUPLICATED twice 7'],
    withoutKey: ['DUPLICATED twice 7'],
  },
  {
    name: 'a document copied to another index',
    index: 'origin',
    act: async ({ cluster: { elastic }, index, id }) =>
      elastic.put('elsewhere', id(7), await elastic.source(index, id(7))),
    withKey: ['DUPLICATED origin 7'],
    withoutKey: ['DUPLICATED origin 7'],
  },
  {
    name: 'the contents of two documents exchanged',
    index: 'exchanged',
    async act({ change }) {
      await change(7, 'number 7', 'number 8');
      await change(8, 'number 8', 'number 7');
    },
    withKey: ['MODIFIED exchanged 7', 'MODIFIED exchanged 8'],
    withoutKey: ['MODIFIED exchanged 7', 'MODIFIED exchanged 8'],
  },
  {
    name: 'the whole texts of two documents exchanged',
    index: 'swapped',
    async act({ cluster: { elastic }, index, id }) {
      const [seventh, eighth] = [await elastic.source(index, id(7)), await elastic.source(index, id(8))];
      await elastic.put(index, id(7), eighth);
      await elastic.put(index, id(8), seventh);
    },
    withKey: ['MOVED swapped 7', 'MOVED swapped 8'],
    withoutKey: ['MOVED swapped 7', 'MOVED swapped 8'],
  },
  {
    name: 'a record forged with a guessed key',
    index: 'forged',
    async act({ cluster: { elastic }, index, id }) {
      const { logseal } = JSON.parse(await elastic.source(index, id(24)));
      const { chain, epoch, time, tag } = logseal;
      const place = { chain, epoch, index: 5, seq: 25, timeMs: time, dest: index, prev: Buffer.from(tag, 'base64url') };
      const { id: guessed, source } = forgedRecord(place, '{"message":"never sent"}');
      await elastic.put(index, guessed, source);
    },
    withKey: ['FORGED forged 25'],
    withoutKey: ['FORGED forged 25'],
  },
  {
    name: 'an unsigned document added',
    index: 'added',
    act: ({ cluster: { elastic }, index }) => elastic.put(index, 'new', '{"message":"never signed"}'),
    withKey: ['UNSIGNED added/new'],
    withoutKey: ['UNSIGNED added/new'],
  },
  {
    name: 'the signature field removed',
    index: 'stripped',
    act: ({ change }) => change(7, /"logseal":\{.*?\},/, ''),
    withKey: ['MISSING stripped 7', 'UNSIGNED stripped/*'],
    withoutKey: ['MISSING stripped 7', 'MODIFIED stripped epoch 0', 'UNSIGNED stripped/*'],
  },
];

/** What concerns the log of all seals, and so needs a run of its own. */
const wholeActs: Pick<Act, 'name' | 'act' | 'withKey' | 'withoutKey'>[] = [
  {
    name: 'a whole epoch deleted with its seal',
    async act({ cluster: { elastic }, remove, chain }) {
      await remove(...Array.from({ length: epochRecords }, (_, at) => epochRecords + at));
      await elastic.remove('logseal-seals', `${chain}-1`);
    },
    withKey: ['MISSING whole 10-19', 'MISSING-SEAL whole epoch 1', 'TRUNCATED logseal-checkpoints'],
    withoutKey: ['MISSING whole 10-19', 'MISSING-SEAL whole epoch 1', 'TRUNCATED logseal-checkpoints'],
  },
  {
    name: 'the tail cut off: the last epoch with its seal',
    async act({ cluster: { elastic }, remove, chain }) {
      await remove(20, 21, 22, 23, 24);
      await elastic.remove('logseal-seals', `${chain}-2`);
    },
    withKey: ['TRUNCATED logseal-checkpoints'],
    withoutKey: ['TRUNCATED logseal-checkpoints'],
  },
  {
    name: 'a seal altered',
    async act({ cluster: { elastic }, chain }) {
      const id = `${chain}-1`;
      const before = await elastic.source('logseal-seals', id);
      await elastic.put('logseal-seals', id, before.replace('\\ncount 10', '\\ncount 9'));
    },
    withKey: ['FORGED whole epoch 1'],
    withoutKey: ['FORK logseal-checkpoints'],
  },
];

const lookup = {
  type: 'lookup',
  target_index: 'elsewhere',
  input_field: 'host',
  target_field: 'host',
  fetch_fields: ['message'],
};

const missing = ownElasticsearchMissing();
if (missing) t.comment(missing);

t.test('tampering past the proxy is named, at its place, and nothing else is', { skip: missing }, async (t) => {
  const cluster = await startSealedCluster(join(t.testdir(), 'data'));
  t.teardown(() => cluster.remove());
  const { elastic } = cluster;
  for (const { index, made } of acts) if (made) await elastic.ask('PUT', `/${index}`, made);
  const proxy = await cluster.start();
  for (const { index } of [...acts, { index: 'whole' }]) await sendAll(proxy.url, index, documents(perIndex));
  t.equal(await proxy.stop(60_000), 0);
  const honest = await cluster.copy();
  const sent = perIndex * (acts.length + 1);

  await t.test('untouched, everything is OK', async (t) => {
    for (const mode of [[], ['--public']]) {
      const { told, summary } = await cluster.verify(...mode);
      t.strictSame(told, []);
      t.match(summary, { exit: 0, records: sent, counts: { OK: sent } });
    }
  });

  await cluster.growTrust();
  for (const { index, act } of acts) await act(await sceneOf(cluster, index));
  const byMode = [await cluster.verify(), await cluster.verify('--public')] as const;
  for (const [at, { exit, told, findings, summary }] of byMode.entries()) {
    const mode = at === 0 ? 'with the key' : 'without a key';
    for (const { name, index, withKey, withoutKey } of acts) {
      const own = told
        .filter((line) => line.split(/[ /]/)[1] === index)
        .map((line) => line.replace(/(\/)[\w-]{22}$/, '$1*'));
      t.strictSame(own, at === 0 ? withKey : withoutKey, `${mode}: ${name}`);
    }
    const known = new Set(acts.map(({ index }) => index));
    const rest = told.filter((line) => !known.has(line.split(/[ /]/)[1] ?? ''));
    t.strictSame(rest, [], `${mode}: nothing else is found`);
    t.equal(exit, 1);
    if (at > 0) continue;
    const touched = new Set(
      tell(findings).filter((line) => !/^(UNSIGNED|DUPLICATED|FORGED|VIEW-DRIFT shadow)/.test(line)),
    );
    t.equal(summary.counts.OK, sent - touched.size, 'neighbours are OK');
  }
  await cluster.restore(honest);
  await elastic.ask('DELETE', '/shadow');
  await elastic.ask('DELETE', '/elsewhere');
  await cluster.restore(honest);

  for (const { name, act, withKey, withoutKey } of wholeActs) {
    await t.test(name, async (t) => {
      await act(await sceneOf(cluster, 'whole'));
      t.strictSame((await cluster.verify()).told, withKey, 'with the key');
      t.strictSame((await cluster.verify('--public')).told, withoutKey, 'without a key');
      await cluster.restore(honest);
    });
  }

  await t.test('put back as it was, everything is OK again', async (t) => {
    t.match(await cluster.verify(), { exit: 0, told: [], summary: { records: sent, counts: { OK: sent } } });
  });

  await t.test('the tail cut off together with its checkpoints, and an old snapshot put back', async (t) => {
    const state = ['--state', join(cluster.dataDir, 'state.json')];
    t.match(await cluster.verify(...state), { exit: 0, told: [] });
    const again = await cluster.start();
    await sendAll(again.url, 'whole', documents(perIndex, perIndex));
    t.equal(await again.stop(60_000), 0);
    t.match(await cluster.verify(...state), { exit: 0, told: [], summary: { records: sent + perIndex } });
    const newest = await cluster.copy();

    await cluster.restore(honest);
    const restored = await cluster.verify(...state);
    t.strictSame(restored.told, ['ROLLED-BACK'], 'the state file knows a longer log');
    t.equal(restored.exit, 1);
    t.strictSame((await cluster.verify('--public', ...state)).told, ['ROLLED-BACK']);
    const forgetful = await cluster.verify();
    t.strictSame(forgetful.told, [], 'nothing inside the search engine can show it');
    t.ok(forgetful.summary.counts.UNANCHORED, 'and a verifier without memory says that');

    await cluster.restore(newest);
    t.match(await cluster.verify(...state), { exit: 0, told: [] });
  });
});

function documents(count: number, from = 0): string[] {
  return syslogMessages(count, 3).map((message, n) =>
    JSON.stringify({
      '@timestamp': '2026-11-23T21:00:00.000Z',
      message: `number ${from + n}`,
      text: message.slice(0, 200),
      host: 'web-1',
    }),
  );
}

async function sceneOf(cluster: SealedCluster, index: string): Promise<Scene> {
  const { elastic } = cluster;
  const records = await cluster.records(index);
  const id = (seq: number): string => {
    const found = records.find((record) => record.seq === seq);
    if (found === undefined) throw new Error(`${index} has no record ${seq}`);
    return found.id;
  };
  return {
    cluster,
    index,
    chain: records[0]?.chain ?? '',
    id,
    async change(seq, from, to) {
      const before = await elastic.source(index, id(seq));
      const after = before.replace(from, to);
      if (after === before) throw new Error(`nothing to change in ${before}`);
      await elastic.put(index, id(seq), after);
    },
    async remove(...seqs) {
      for (const seq of seqs) await elastic.remove(index, id(seq));
    },
  };
}
