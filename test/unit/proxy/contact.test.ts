/** The first answer of the search engine, and what depends on it. */
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RemoteDelivery } from '../../../src/delivery/remote.ts';
import { Contact } from '../../../src/proxy/contact.ts';
import { Instance } from '../../../src/sequencer/instance.ts';
import type { Signing } from '../../../src/sequencer/open.ts';
import type { Upstream } from '../../../src/upstream/upstream.ts';

const vkey = 'test/logseal+00000000+AQ==';

function open(instance: Instance, clusterUuid: string, rotateAll: () => Promise<void>) {
  const upstream = {
    identity: async () => ({ clusterUuid, root: { cluster_uuid: clusterUuid } }),
    isSecured: async () => false,
    secured: false,
  };
  const failed = Promise.withResolvers<unknown>();
  const contact = new Contact({
    options: { config: { newUpstream: true }, log: { event: () => undefined }, fatal: failed.resolve } as never,
    instance,
    upstream: upstream as unknown as Upstream,
    store: undefined,
  });
  contact.attach({ rotateAll, sizeAtStart: 0 } as unknown as Signing, {} as RemoteDelivery, vkey);
  return { contact, failed: failed.promise };
}

t.test('chains are rotated for another search engine also when a crash came between', async (t) => {
  const dir = t.testdir();
  const instance = await Instance.open(dir, 'test', 0);
  await instance.update({ upstream: 'one' });
  const first = open(instance, 'two', () => Promise.reject(new Error('killed')));
  await first.contact.tryOnce();
  first.contact.begin();
  t.match(await first.failed, { message: 'killed' });

  const again = await Instance.open(dir, 'test', 0);
  t.equal(again.state.upstream, 'two');
  let rotations = 0;
  const second = open(again, 'two', async () => {
    rotations += 1;
  });
  await second.contact.tryOnce();
  second.contact.begin();
  await second.failed;
  t.equal(rotations, 1);
  t.equal((await Instance.open(dir, 'test', 0)).state.rotateForUpstream, false);
});

t.test('a full disk ends nobody because of what only the next start would like to know', async (t) => {
  const dir = t.testdir();
  const instance = await Instance.open(dir, 'test', 0);
  await instance.update({ upstream: 'one' });
  symlinkSync('/dev/full', join(dir, 'instance.json.tmp'));
  const { contact } = open(instance, 'one', () => Promise.resolve());
  await contact.tryOnce();
  await contact.noteSecured();
  t.match(contact.root?.toString(), 'cluster_uuid');
  await t.rejects(instance.update({}), { code: 'LOG_FULL' });
  rmSync(join(dir, 'instance.json.tmp'));
  await instance.update({});
  t.match((await Instance.open(dir, 'test', 0)).state, { secured: false, root: { cluster_uuid: 'one' } });
});
