/** Fault class *process*: killed at named points, told to end under load, out of memory, two on one directory. */
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { ownElasticsearchMissing, startElasticsearch } from '../helpers/elasticsearch.ts';
import type { Exchange, TrapPoint } from '../helpers/relay.ts';
import type { ExperimentOptions, Fault, Scene } from './experiment.ts';
import { experiment } from './experiment.ts';
import type { FaultRule, FaultyMount } from './faulty-mount.ts';
import { faultyMountMissing, mountFaulty } from './faulty-mount.ts';

const missing = ownElasticsearchMissing();
if (missing) t.comment(missing);
const dest = 'logs-fault';
const toDest = `"_index":"${dest}"`;
const toRejects = '"_index":"logseal-rejects"';

/** kill -9 when an exchange is at a point; it is cut there. `holds`: a part of its body. */
function killAt(name: string, side: 'upstream' | 'intake', at: TrapPoint, holds: string): Fault {
  const matches = ({ path, body }: Exchange) => path.startsWith('/_bulk') && body.includes(holds);
  return {
    name: `kill -9 ${name}`,
    inject: (scene: Scene) => {
      const act = () => scene.proxy.kill();
      return scene[side].trap({ at, matches, act, cut: at !== 'answered' });
    },
  };
}

/** kill -9 before or after a call to the disk. */
function killOn(name: string, mount: FaultyMount, rule: FaultRule): Fault {
  return {
    name: `kill -9 ${name}`,
    async inject(scene) {
      const set = await mount.rule({ ...rule, kill: scene.proxy.pid, times: 1 });
      await scene.proxy.ended;
      await set.remove();
    },
  };
}

const beforeSend = killAt('before send', 'upstream', 'request', toDest);
const answerLost = killAt('after send, the answer under way', 'upstream', 'answer', toDest);

/** Every 50th record has the id of a document that somebody else has put there: it is signed, and goes to the rejects. */
const takenIds = {
  ledger: { ids: 'given' as const },
  rejected: (n: number) => n % 50 === 0,
  foreign: (id: string, index: string) => index === dest && Number(id.split('/')[1]) % 50 === 0,
  async prepare(url: string) {
    let body = '';
    for (let n = 0; n < 50_000; n += 50) body += `{"create":{"_index":"${dest}","_id":"${dest}/${n}"}}\n{}\n`;
    const headers = { 'content-type': 'application/x-ndjson' };
    await fetch(`${url}/_bulk`, { method: 'POST', headers, body });
  },
};

t.test('process', { skip: missing }, async (t) => {
  const engine = await startElasticsearch();
  t.teardown(() => engine.remove());
  const root = t.testdir();
  let runs = 0;
  type Options = Omit<ExperimentOptions, 'class' | 'engine' | 'dataDir' | 'times'> & { dataDir?: string };
  const run = async (t: Test, options: Options) => {
    runs += 1;
    const from = performance.now();
    const base = { class: 'process', engine, dataDir: join(root, `data-${runs}`), times: 1, recordsBetween: 60 };
    await experiment(t, { ...base, ...options });
    t.comment(`TIME ${Math.round(performance.now() - from)} ${options.faults.map(({ name }) => name)}`);
  };

  await t.test('kill -9 at points of the network', (t) =>
    run(t, {
      faults: [
        beforeSend,
        killAt('after send', 'upstream', 'forwarded', toDest),
        answerLost,
        killAt('after the answer to a send', 'upstream', 'answered', toDest),
        killAt('before answer', 'intake', 'answer', toDest),
        killAt('after answer', 'intake', 'answered', toDest),
      ],
    }),
  );
  await t.test('kill -9 where rejects are written', (t) =>
    run(t, {
      ...takenIds,
      faults: [
        killAt('before rejects write', 'upstream', 'request', toRejects),
        killAt('after rejects write', 'upstream', 'answer', toRejects),
      ],
    }),
  );
  const skip = faultyMountMissing();
  await t.test('kill -9 at points of the disk', { skip }, async (t) => {
    const mount = await mountFaulty(join(root, 'disk'));
    t.teardown(() => mount.unmount());
    const both = (name: string, rule: FaultRule): Fault[] =>
      (['before', 'after'] as const).map((phase) => killOn(`${phase} ${name}`, mount, { ...rule, phase }));
    await run(t, {
      dataDir: join(mount.dir, 'data'),
      ledger: { messageChars: 2000 },
      environment: { LOGSEAL_WAL_SEGMENT_BYTES: '1MiB', LOGSEAL_WAL_KEEP: '0ms' },
      faults: [
        ...both('append', { op: 'write', path: 'data/wal/*.wal' }),
        ...both('fsync', { op: 'fdatasync', path: 'data/wal/*.wal' }),
        ...both('cursor', { op: 'write', path: 'data/delivery/cursor' }),
        ...both('seal', { op: 'write', path: 'data/log/*.seals' }),
        ...both('key swap', { op: 'rename', path: 'data/keys/*' }),
        ...both('segment removal', { op: 'unlink', path: 'data/wal/*.wal' }),
      ],
    });
  });
  await t.test('control: cursor', (t) =>
    run(t, { faults: [beforeSend], without: ['cursor-behind-answers'], sees: ['lost'] }),
  );
  await t.test('control: id', (t) => run(t, { faults: [answerLost], without: ['fixed-id'], sees: ['twice'] }));
  await t.test('control: tag', (t) =>
    run(t, {
      ...takenIds,
      faults: [killAt('after send, the answer under way', 'upstream', 'answer', toDest)],
      without: ['tag-compare'],
      sees: ['lost'],
    }),
  );
  await t.test('control: seal and key', { skip }, async (t) => {
    const mount = await mountFaulty(join(root, 'disk-2'));
    t.teardown(() => mount.unmount());
    const swapped = killOn('after key swap', mount, { op: 'rename', path: 'data/keys/*', phase: 'after' });
    const dataDir = join(mount.dir, 'data');
    await run(t, { dataDir, faults: [swapped], without: ['seal-before-key'], sees: ['start', 'verify'] });
  });
});
