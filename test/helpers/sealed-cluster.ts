/**
 * A real Elasticsearch with records that a real proxy has signed, for tests that look at what was left there: one chain an index,
 * small epochs, the proxy stopped in order. Also takes copies of everything and puts them back, as a snapshot would.
 */
import { join } from 'node:path';
import { startElasticsearch } from './elasticsearch.ts';
import type { Engine } from './engine.ts';
import type { EngineClient } from './engine-client.ts';
import { engineClient } from './engine-client.ts';
import type { RunningProxy } from './proxy.ts';
import { startProxy } from './proxy.ts';
import type { Verdicts } from './verify-command.ts';
import { logseal, tell, verifyCommand } from './verify-command.ts';

/** A signed record as it lies there. */
export interface StoredRecord {
  index: string;
  id: string;
  seq: number;
  epoch: number;
  chain: string;
}

/** `_source` by id, by index: whatever lay there at one moment. */
export type Copy = Map<string, Map<string, string>>;

export interface SealedCluster {
  readonly engine: Engine;
  readonly elastic: EngineClient;
  readonly dataDir: string;
  start(): Promise<RunningProxy>;
  /** Records of an index by seq. */
  records(index: string): Promise<StoredRecord[]>;
  /** `verify` of the whole cluster at once, without grace; with the key unless `--public` is among the arguments. */
  verify(...args: string[]): Promise<Verdicts>;
  /** From now on verifies with a trust file that knows every chain there is now, instead of the one of the installation. */
  growTrust(): Promise<void>;
  copy(): Promise<Copy>;
  /** Writes back what differs from a copy, and deletes what is not in it. */
  restore(copy: Copy): Promise<void>;
  remove(): Promise<void>;
}

export const epochRecords = 10;

export async function startSealedCluster(dataDir: string): Promise<SealedCluster> {
  const engine = await startElasticsearch();
  const elastic = engineClient(engine.url);
  const key = join(dataDir, 'development-auditor', 'auditor.key.pem');
  const installed = join(dataDir, 'trust.json');
  const grown = join(dataDir, 'grown-trust.json');
  let trust = ['--trust', installed];
  return {
    engine,
    elastic,
    dataDir,
    start: () =>
      startProxy({
        dataDir,
        elasticsearchUrl: engine.url,
        environment: { LOGSEAL_EPOCH_RECORDS_MAX: String(epochRecords) },
      }),
    async records(index) {
      const hits = await elastic.hits(index);
      const found = hits.map(({ _index, _id, _source: { logseal } }) => ({
        index: _index,
        id: _id,
        seq: Number(logseal.seq),
        epoch: Number(logseal.epoch),
        chain: String(logseal.chain),
      }));
      return found.sort((a, b) => a.seq - b.seq);
    },
    async verify(...args) {
      const withKey = args.includes('--public') ? [] : ['--key', key];
      const state = args.includes('--state') ? [] : ['--no-state'];
      const verdicts = await verifyCommand(engine.url, ...withKey, ...trust, ...state, '--grace', '0', ...args);
      return { ...verdicts, told: tell(verdicts.findings, await chainNames(elastic)) };
    },
    async growTrust() {
      const { exit, stderr } = await logseal('trust', engine.url, '--trust', installed, '--key', key, '--out', grown);
      if (exit !== 0) throw new Error(stderr);
      trust = ['--trust', grown];
    },
    copy: () => copyAll(elastic),
    async restore(wanted) {
      const there = await copyAll(elastic);
      for (const [index, documents] of wanted) {
        for (const [id, source] of documents) {
          if (there.get(index)?.get(id) !== source) await elastic.put(index, id, source);
          there.get(index)?.delete(id);
        }
      }
      for (const [index, documents] of there) for (const id of documents.keys()) await elastic.remove(index, id);
    },
    remove: () => engine.remove(),
  };
}

/** By the creation records of the chains. */
async function chainNames(elastic: EngineClient): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const { _source } of await elastic.hits('logseal-control')) {
    if (_source.chain !== undefined) names.set(_source.chain.id, _source.chain.name);
  }
  return names;
}

const readsAtOnce = 32;

async function copyAll(elastic: EngineClient): Promise<Copy> {
  const copy: Copy = new Map();
  const hits = await elastic.hits('*');
  for (let at = 0; at < hits.length; at += readsAtOnce) {
    const some = hits.slice(at, at + readsAtOnce);
    const sources = await Promise.all(some.map(({ _index, _id }) => elastic.source(_index, _id)));
    for (const [n, { _index, _id }] of some.entries()) {
      const documents = copy.get(_index) ?? new Map<string, string>();
      copy.set(_index, documents.set(_id, sources[n] ?? ''));
    }
  }
  return copy;
}

/** Sends documents to an index through the proxy, in order. */
export async function sendAll(proxyUrl: string, index: string, documents: readonly string[]): Promise<void> {
  const body = documents.map((document) => `{"create":{"_index":"${index}"}}\n${document}\n`).join('');
  const headers = { 'content-type': 'application/x-ndjson' };
  const answer = await fetch(`${proxyUrl}/_bulk`, { method: 'POST', headers, body });
  const text = await answer.text();
  if (answer.status !== 200 || !text.includes('"errors":false')) throw new Error(`${answer.status} ${text}`);
}
