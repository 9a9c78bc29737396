/** Operators' acts from key to verdict: made by the command line, taken by a running proxy, judged by verify. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { startProxy } from '../helpers/proxy.ts';
import { sendAll } from '../helpers/sealed-cluster.ts';
import { logseal, verifyCommand } from '../helpers/verify-command.ts';

t.test('an operator rotates, acknowledges and sets a policy; verify judges each act', async (t) => {
  const dir = t.testdir();
  const dataDir = join(dir, 'data');
  for (const name of ['operator', 'stranger']) {
    const made = await logseal('keygen', 'operator', '--out', join(dir, name), '--json');
    t.equal(made.exit, 0, made.stderr);
    t.match(JSON.parse(made.stdout).sha256, /^[0-9a-f]{64}$/);
  }
  const key = join(dir, 'operator', 'operator.key.pem');
  const publicKey = join(dir, 'operator', 'operator.pub.pem');
  const stranger = join(dir, 'stranger', 'operator.key.pem');
  const environment = { LOGSEAL_OPERATOR_KEYS: publicKey };
  const proxy = await startProxy({ dataDir, environment });
  t.teardown(() => proxy.stop());
  const act = (...args: string[]) => logseal(...args, '--admin', proxy.adminUrl);
  await sendAll(proxy.url, 'web', ['{"n":1}', '{"n":2}']);

  await t.test('what is not his is refused, and said', async (t) => {
    const strange = await act('rotate', '--all', '--why', 'suspicion', '--key', stranger);
    t.match(strange, { exit: 3, stderr: /none of operator\.keys/ });
    t.match(await act('rotate', '--all', '--why', 'whim', '--key', key), {
      exit: 3,
      stderr: /suspicion or rolled-back/,
    });
    t.match(await act('rotate', '--chain', 'nowhere', '--why', 'suspicion', '--key', key), {
      exit: 3,
      stderr: /there are web, control/,
    });
    t.match(await act('rotate', '--all', '--why', 'suspicion'), { exit: 3, stderr: /--key/ });
    const unknown = ['--chain', 'A'.repeat(22), '--from', '1', '--verdict', 'MISSING', '--reason', 'x', '--key', key];
    t.match(await act('acknowledge', ...unknown), { exit: 3, stderr: /is no chain of this instance/ });
  });

  await t.test('all chains are rotated, and go on under the new ones', async (t) => {
    const rotated = await act('rotate', '--all', '--why', 'suspicion', '--key', key, '--json');
    t.equal(rotated.exit, 0, rotated.stderr);
    const acts = rotated.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    t.match(acts, [{ kind: 'rotate', body: { why: 'suspicion' } }, { kind: 'rotate' }]);
    await sendAll(proxy.url, 'web', ['{"n":3}']);
    const shown = JSON.parse((await act('operator', 'show', '--json')).stdout);
    t.same(
      shown.chains.map(({ name, seq }: { name: string; seq: number }) => [name, seq > 0]),
      [
        ['web', true],
        ['control', false],
      ],
    );
    t.same(new Set(shown.chains.map(({ id }: { id: string }) => id)), new Set(acts.map(({ body }) => body.new)));
  });

  await t.test('a key that is offline signs a file in between; no act is taken twice', async (t) => {
    const plain = join(dir, 'plain.json');
    const signed = join(dir, 'signed.json');
    const written = await act('rotate', '--chain', 'web', '--why', 'suspicion', '--out', plain);
    t.match(written, { exit: 0, stdout: /logseal operator sign/ }, written.stderr);
    t.match(await act('operator', 'send', plain), { exit: 3, stderr: /not signed/ });
    const passed = await logseal('operator', 'sign', plain, '--key', key, '--out', signed);
    t.match(passed, { exit: 0, stderr: /rotate/ }, passed.stderr);
    const changed = join(dir, 'changed.json');
    await writeFile(changed, (await readFile(signed, 'utf8')).replace('"suspicion"', '"rolled-back"'));
    t.match(await act('operator', 'send', changed), { exit: 3, stderr: /signature does not verify/ });
    const sent = await act('operator', 'send', signed);
    t.match(sent, { exit: 0, stdout: /^rotate / }, sent.stderr);
    t.match(await act('operator', 'send', signed), { exit: 3, stderr: /is used up/ });
  });

  await t.test('what is known is acknowledged; a policy narrows who may act', async (t) => {
    const about = [
      '--chain',
      'web',
      '--from',
      '7',
      '--to',
      '9',
      '--verdict',
      'MISSING',
      '--reason',
      'a disk',
      '--key',
      key,
    ];
    const known = await act('acknowledge', ...about);
    t.equal(known.exit, 0, known.stderr);
    const said = await act('operator', 'policy', '--operator-key', publicKey, '--key', key);
    t.equal(said.exit, 0, said.stderr);
    const other = join(dir, 'stranger', 'operator.pub.pem');
    t.equal((await act('operator', 'policy', '--operator-key', other, '--key', key)).exit, 0);
    t.match(await act('acknowledge', ...about), { exit: 3, stderr: /not named by the policy/ });
  });

  t.equal(await proxy.stop(), 0);
  const known = await verifyCommand(dataDir, '--no-state', '--operator-key', publicKey);
  t.strictSame([known.told, known.exit, known.summary.records], [[], 0, 3], 'every act is the operator’s');
  const unknown = await verifyCommand(
    dataDir,
    '--no-state',
    '--operator-key',
    join(dir, 'stranger', 'operator.pub.pem'),
  );
  t.equal(unknown.summary.counts.UNAUTHORISED, 6, 'to a verifier with another key none is');
  t.equal(unknown.exit, 1);
});
