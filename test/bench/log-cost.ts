/**
 * What two promises of the write-ahead log cost: that it is on disk before the answer, and that it is encrypted there. Three
 * proxies in turn in front of a search engine that keeps nothing: as it comes, with a key, and without fdatasync. The last is
 * made by the laboratory's hook, which changes the source as it is loaded: no setting can do that.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withoutProtection } from '../faults/protections.ts';
import { connectionsOf } from './null-sink.ts';
import type { BenchOptions } from './options.ts';
import { cpuSeconds } from './process-cost.ts';
import type { BenchProxy } from './processes.ts';
import { Sink, sendLoad, startLogseal, untilTrue } from './processes.ts';
import type { Table } from './table.ts';
import { median } from './table.ts';

interface Run {
  /** Records a second, until answered and until the sink has them. */
  answered: number;
  delivered: number;
  /** CPU seconds of the proxy a million records. */
  cpu: number;
  p50: number;
}

const kinds = ['plain', 'encrypted', 'unsynced'] as const;
type Kind = (typeof kinds)[number];

export async function logCostPart(options: BenchOptions): Promise<Table> {
  const secrets = mkdtempSync(join(tmpdir(), 'logseal-bench-key-'));
  const keyFile = join(secrets, 'key');
  writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  const sink = await Sink.start();
  const proxies = new Map<Kind, BenchProxy>();
  const rows: (string | number)[][] = [];
  try {
    const { directory, nodeFlags } = options;
    proxies.set('plain', await startLogseal(sink.url, directory, nodeFlags));
    const key = { LOGSEAL_ENCRYPTION_KEY_FILE: keyFile };
    proxies.set('encrypted', await startLogseal(sink.url, directory, nodeFlags, key));
    const unsynced = [...nodeFlags, ...withoutProtection('fsync')];
    proxies.set('unsynced', await startLogseal(sink.url, directory, unsynced));
    for (const proxy of proxies.values()) await once(sink, proxy, 1000, 1000, 0.2);
    for (const recordBytes of options.recordBytes) {
      for (const perBulk of options.bulks) rows.push(await row(sink, proxies, options, recordBytes, perBulk));
    }
  } finally {
    for (const proxy of proxies.values()) await proxy.remove();
    await sink.process.stop();
    rmSync(secrets, { recursive: true, force: true });
  }
  return {
    title: 'What the write-ahead log costs: on disk before the answer, and encrypted there',
    head: [
      'KB',
      'a bulk',
      'answered',
      'encrypted',
      'without fdatasync',
      'encrypted/plain',
      'by CPU',
      'plain/unsynced',
      'p50 ms',
    ],
    rows,
    notes: [
      'Records answered a second. Ratios are medians of the rounds, each of one round; `by CPU`: what the proxy itself spends on a record in clear over what it spends encrypted. `p50 ms`: plain / encrypted / without fdatasync.',
    ],
  };
}

async function row(
  sink: Sink,
  proxies: ReadonlyMap<Kind, BenchProxy>,
  options: BenchOptions,
  recordBytes: number,
  perBulk: number,
): Promise<(string | number)[]> {
  const runs: Record<Kind, Run[]> = { plain: [], encrypted: [], unsynced: [] };
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [kind, proxy] of proxies) runs[kind].push(await once(sink, proxy, recordBytes, perBulk, options.scale));
  }
  const of = (kind: Kind, name: keyof Run) => median(runs[kind].map((run) => run[name]));
  const ratio = (above: Kind, below: Kind, name: keyof Run) =>
    median(runs[above].map((run, round) => run[name] / (runs[below][round]?.[name] ?? Number.NaN)));
  return [
    ...[String(recordBytes / 1000), String(perBulk)],
    ...kinds.map((kind) => of(kind, 'answered')),
    ...[
      ratio('encrypted', 'plain', 'answered'),
      ratio('plain', 'encrypted', 'cpu'),
      ratio('plain', 'unsynced', 'answered'),
    ],
    kinds.map((kind) => of(kind, 'p50').toPrecision(3)).join(' / '),
  ];
}

async function once(sink: Sink, proxy: BenchProxy, recordBytes: number, perBulk: number, scale: number): Promise<Run> {
  const dest = 'web';
  const before = await sink.count(dest);
  const records = perBulk === 1 ? 15_000 : perBulk <= 100 ? 100_000 : 200_000;
  const bulks = Math.max(4, Math.ceil((records * scale) / perBulk));
  const load = {
    url: proxy.url,
    dest,
    recordBytes,
    perBulk,
    bulks,
    connections: connectionsOf(perBulk),
    signed: false,
  };
  let cpu = 0;
  const result = await sendLoad(
    load,
    (count) => untilTrue(async () => (await sink.count(dest)) >= before + count, 5),
    () => {
      cpu = cpuSeconds(proxy.pid);
    },
  );
  return {
    answered: result.records / result.seconds,
    delivered: result.records / result.deliveredSeconds,
    cpu: ((cpuSeconds(proxy.pid) - cpu) / result.records) * 1e6,
    p50: result.p50,
  };
}
