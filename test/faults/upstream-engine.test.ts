/** Fault class *upstream*: what becomes of the search engine itself, and of the indices that records go to. */
import { cp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { leanMapping } from '../../src/upstream/signature-mapping.ts';
import type { Subject } from '../helpers/authority.ts';
import { Authority } from '../helpers/authority.ts';
import { engineClient } from '../helpers/engine-client.ts';
import { startTlsFront } from '../helpers/tls-front.ts';
import { logseal } from '../helpers/verify-command.ts';
import type { Fault, Scene } from './experiment.ts';
import { openFaultClass } from './fault-class.ts';
import { verdicts } from './upstream-faults.ts';

const lab = await openFaultClass(t, 'upstream');
const skip = lab.missing;
const environment = { LOGSEAL_ELASTICSEARCH_REQUEST_TIMEOUT: '5s', LOGSEAL_DELIVERY_BACKOFF_MAX: '200ms' };
const ledger = { pauseMs: 100 };
const dest = 'logs-fault';

const killed: Fault = {
  name: 'Elasticsearch killed with -9 and started from its data',
  async inject({ ledger }) {
    await lab.engine.kill();
    await ledger.grows(100);
    await lab.engine.restart();
    await engineClient(lab.engine.url).settled();
  },
};

const readOnly: Fault = {
  name: 'the index made read-only, as by the disk watermark',
  async inject(scene) {
    const block = (value: boolean | null) =>
      engineClient(lab.engine.url).ask('PUT', `/${dest}/_settings`, { 'index.blocks.read_only_allow_delete': value });
    await delivered(scene);
    await block(true);
    await until(async () => (await readiness(scene)).includes(`${dest} is held`));
    await scene.ledger.grows(100);
    await block(null);
  },
};

/** The answer of verification to a search engine that was put back from a copy, before and after `redeliver`. */
async function restored(scene: Scene): Promise<{ before: string[]; after: string[] }> {
  const beganAt = new Date().toISOString();
  const { engine } = lab;
  await delivered(scene);
  // The chain and its first seal are in the copy.
  await until(async () => (await countOf('logseal-checkpoints')) > 0);
  const data = join(engine.dataDir, 'data');
  const copy = join(engine.dataDir, 'copy');
  // Copied in one instant, as a snapshot of a volume is.
  process.kill(engine.pid, 'SIGSTOP');
  await cp(data, copy, { recursive: true });
  process.kill(engine.pid, 'SIGCONT');
  await scene.ledger.grows(300);
  await delivered(scene);
  await engine.kill();
  await rm(data, { recursive: true });
  await rename(copy, data);
  await engine.restart();
  await engineClient(engine.url).settled();
  const before = await verdicts(scene);
  const from = ['--from', beganAt, '--data-dir', scene.dataDir, '--elasticsearch-url', engine.url];
  await until(async () => {
    const { exit, stdout, stderr } = await logseal('redeliver', ...from);
    if (exit === 0) return true;
    // Seals of records that are just on their way may stand in its way for a moment.
    t.comment(`redeliver: ${exit} ${stdout}${stderr}`);
    return false;
  });
  await delivered(scene);
  return { before, after: await verdicts(scene) };
}

const young: Fault = {
  name: 'Elasticsearch restored from a copy younger than wal.keep, then redeliver',
  async inject(scene) {
    const { before } = await restored(scene);
    t.ok(before.some(isGap), `before redeliver: ${before.join()}`);
  },
};

t.test('the search engine itself', { skip }, async (t) => {
  await lab.run(t, { environment, ledger, times: lab.long ? 5 : 1, faults: [killed, readOnly, young] });
});

if (lab.long) {
  t.test('control: older than what the log keeps, it stays missing', { skip }, async (t) => {
    const old: Fault = {
      name: 'Elasticsearch restored from a copy older than the log, then redeliver',
      async inject(scene) {
        const { before, after } = await restored(scene);
        t.ok(before.some(isGap) && after.some(isGap), `${before.join()}, then ${after.join()}`);
      },
    };
    await lab.run(t, {
      ledger: { ...ledger, messageChars: 4000 },
      environment: { ...environment, LOGSEAL_WAL_SEGMENT_BYTES: '1MiB', LOGSEAL_WAL_KEEP: '0ms' },
      faults: [old],
      without: [],
      withoutToo: 'a log that keeps what was delivered',
      sees: ['lost'],
      drainMsMax: 5000,
    });
  });
}

t.test('an expired certificate; a mapping that explodes', { skip }, async (t) => {
  const authority = new Authority('laboratory');
  const named: Subject = { name: 'elasticsearch', for: 'server', addresses: ['127.0.0.1'] };
  const good = authority.issue(named);
  const front = await startTlsFront(lab.engine.url, good);
  t.teardown(() => front.away());
  const caFile = join(lab.root, 'ca.pem');
  await writeFile(caFile, authority.certificate);
  const expired: Fault = {
    name: 'TLS: an expired certificate, then a good one',
    async inject(scene) {
      await front.away();
      await front.back(authority.issue({ ...named, expired: true }));
      await until(async () => (await readiness(scene)).includes('CERT_HAS_EXPIRED'));
      await scene.ledger.grows(100);
      await front.away();
      await front.back(good);
    },
  };
  const exploding: Fault = {
    name: 'mapping explosion: a new field in every tenth record, and no room for one',
    inject: ({ ledger }) => ledger.grows(100),
  };
  await lab.run(t, {
    environment: { ...environment, LOGSEAL_ELASTICSEARCH_URL: front.url, LOGSEAL_ELASTICSEARCH_CA_FILE: caFile },
    prepare: withoutRoom,
    ledger: { ...ledger, extra: (n) => (n % 10 === 0 ? `"field${n}":1,` : '') },
    rejected: (n) => n % 10 === 0,
    faults: [expired, exploding],
  });
});

/** The destination has every field but those that come, and may have no more. */
async function withoutRoom(url: string): Promise<void> {
  const { ask } = engineClient(url);
  const numbers = { n: { type: 'long' }, attempt: { type: 'long' } };
  const own = { '@timestamp': { type: 'date' }, ...numbers, message: { type: 'text' } };
  await ask('PUT', `/${dest}`, { mappings: { properties: { ...own, ...leanMapping.properties } } });
  await ask('PUT', `/${dest}/_settings`, { 'index.mapping.total_fields.limit': 1 });
}

/** Of the newest records it is the checkpoint that says that they are missing. */
function isGap(verdict: string): boolean {
  return verdict === 'MISSING' || verdict === 'TRUNCATED';
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(50);
}

async function readiness({ proxy }: Scene): Promise<string> {
  return (await fetch(`${proxy.adminUrl}/readyz`)).text();
}

/** What is acknowledged now has been brought. */
async function delivered({ ledger }: Scene): Promise<void> {
  const wanted = ledger.acknowledged;
  await until(async () => (await countOf(dest)) >= wanted);
}

async function countOf(index: string): Promise<number> {
  await fetch(`${lab.engine.url}/${index}/_refresh`, { method: 'POST' });
  const { count } = (await (await fetch(`${lab.engine.url}/${index}/_count`)).json()) as { count?: number };
  return count ?? 0;
}
