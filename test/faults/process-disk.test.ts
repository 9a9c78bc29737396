/** Fault class *process*: killed at points of its disk, before and after one call to it. */
import { join } from 'node:path';
import t from 'tap';
import type { Fault } from './experiment.ts';
import { openFaultClass } from './fault-class.ts';
import type { FaultRule } from './faulty-mount.ts';
import { faultyMountMissing, mountFaulty } from './faulty-mount.ts';
import { killOn } from './process-faults.ts';

const lab = await openFaultClass(t, 'process');
const skip = lab.missing || faultyMountMissing();

t.test('kill -9 at points of the disk', { skip }, async (t) => {
  const mount = await mountFaulty(join(lab.root, 'disk'));
  t.teardown(() => mount.unmount());
  const both = (name: string, rule: FaultRule): Fault[] =>
    (['before', 'after'] as const).map((phase) => killOn(`${phase} ${name}`, mount, { ...rule, phase }));
  await lab.run(t, {
    dataDir: join(mount.dir, 'data'),
    // Large records and small segments, so that segments fill and go.
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
