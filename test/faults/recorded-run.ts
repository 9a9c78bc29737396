/**
 * A run of the real proxy on a faulty disk that only records: numbered load, deliveries, kills and stops. What it promised is noted
 * by the number of the disk's last change at that moment, so that any cut of the record knows what must have outlived it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningProxy } from '../helpers/proxy.ts';
import { startProxy } from '../helpers/proxy.ts';
import type { Change } from './changes.ts';
import { readChanges } from './changes.ts';
import { mountFaulty } from './faulty-mount.ts';
import { Ledger } from './ledger.ts';
import type { EngineDocument } from './memory-engine.ts';
import { startMemoryEngine } from './memory-engine.ts';

export const dest = 'logs-power';

export interface RecordedRun {
  changes: readonly Change[];
  /** Numbers of records with the change after which they were acknowledged, ascending. */
  acknowledged: readonly { n: number; at: number }[];
  /** What the search engine was sent. */
  documents: readonly EngineDocument[];
  /** The connection that a record was sent on. */
  connectionOf: (n: number) => number;
  environment: Record<string, string>;
}

export interface RunOptions {
  /** One process after the other; each ends so after that many bulks. */
  processes: readonly { bulks: number; end: 'kill' | 'stop' }[];
  nodeFlags?: string[];
  environment?: Record<string, string>;
}

/** Small epochs and segments, so that a short run sees many of each; segments go as soon as they are delivered. */
const small = {
  LOGSEAL_EPOCH_RECORDS_MAX: '64',
  LOGSEAL_WAL_SEGMENT_BYTES: '1MiB',
  LOGSEAL_WAL_BYTES_MAX: '256MiB',
  LOGSEAL_WAL_KEEP: '0s',
};

/** The data directory is `data` of the disk, and the proxy makes it. */
export async function recordRun(options: RunOptions): Promise<RecordedRun> {
  const base = await mkdtemp(join(tmpdir(), 'logseal-run-'));
  const mount = await mountFaulty(join(base, 'disk'));
  const environment = { ...small, ...options.environment };
  const ledger = new Ledger({ dest, perBulk: 16, messageChars: 1500 });
  const acknowledged: { n: number; at: number }[] = [];
  const engine = await startMemoryEngine(() => mount.changes(), [dest]);
  const connectionOf = (n: number) => ledger.bulks[Math.floor(n / ledger.options.perBulk)]?.connection ?? -1;
  let proxy: RunningProxy | undefined;
  try {
    await mount.record(join(base, 'changes'));
    for (const { bulks, end } of options.processes) {
      const dataDir = join(mount.dir, 'data');
      const nodeFlags = options.nodeFlags ?? [];
      proxy = await startProxy({ dataDir, elasticsearchUrl: engine.url, environment, nodeFlags });
      await Promise.all([0, 1].map((connection) => send(proxy?.url ?? '', connection, bulks / 2)));
      if (end === 'kill') await proxy.kill();
      else if ((await proxy.stop()) !== 0) throw new Error(`the recorded proxy did not stop: ${proxy.output()}`);
    }
    await mount.stopRecord();
    const changes = await readChanges(join(base, 'changes'));
    return { changes, acknowledged, documents: engine.documents, connectionOf, environment };
  } finally {
    await proxy?.kill();
    await engine.close();
    await mount.unmount();
    await rm(base, { recursive: true, force: true });
  }

  async function send(url: string, connection: number, bulks: number): Promise<void> {
    for (let sent = 0; sent < bulks; sent += 1) {
      const bulk = ledger.draw(connection);
      const headers = { 'content-type': 'application/x-ndjson' };
      const answer = await fetch(`${url}/_bulk`, { method: 'POST', headers, body: ledger.body(bulk) });
      const at = mount.changes();
      ledger.settle(bulk, answer.status, await answer.text());
      if (bulk.outcome !== 'acknowledged') throw new Error(`a record was not acknowledged: ${ledger.strange}`);
      for (let n = bulk.first; n < bulk.first + bulk.count; n += 1) acknowledged.push({ n, at });
    }
  }
}
