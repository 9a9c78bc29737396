import t from 'tap';
import type { RemoteKnowledge } from '../../../src/sequencer/catch-up.ts';
import { openSigning, readLog } from '../../helpers/signing-rig.ts';

const nothing: RemoteKnowledge = {
  newest: async () => undefined,
  seals: async () => [],
  beyond: async () => false,
  records: async () => [],
};

t.test('what the search engine says and cannot prove rolls nothing back', async (t) => {
  const dir = t.testdir();
  const first = await openSigning(dir);
  await first.append('web', 3);
  await first.close();
  const { seals } = await readLog(dir);
  const last = seals.at(-1);
  const forged = Buffer.concat([last?.lines ?? Buffer.alloc(0), Buffer.from(`mac ${'A'.repeat(43)}=\n`)]);
  const zeros = (bytes: number) => Buffer.alloc(bytes);
  const cases: Record<string, Partial<RemoteKnowledge>> = {
    'a seal with a false mac': { seals: async (from) => [{ entry: from, text: forged }] },
    'no seal at all': { seals: async (from) => [{ entry: from, text: Buffer.from('x') }] },
    'a checkpoint whose seals are not there': { newest: async () => ({ origin: 'x', size: 1000, root: zeros(32) }) },
    'a record with a false tag': {
      beyond: async () => true,
      records: async (_chain, fromSeq) => [
        ...[0, 1].map((index) => ({
          ...{ epoch: index + 1, index: 0, seq: fromSeq + index, timeMs: 1, type: 0 as const, flags: 0, dest: 'web' },
          ...{ id: 'x', hash: zeros(32), prev: zeros(16), tag: zeros(16) },
        })),
      ],
    },
  };
  for (const [name, change] of Object.entries(cases)) {
    const remote = { ...nothing, ...change };
    const again = await openSigning(dir, { remote });
    t.equal(again.instance.state.rolledBack, undefined, name);
    t.equal(await again.signing.isContradicted(remote), false, `${name}, asked later`);
    await again.close();
  }
});
