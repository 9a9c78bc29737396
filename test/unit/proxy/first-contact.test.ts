import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { decodeVkey, encodeVkey, signCheckpoint } from '../../../src/chain/note.ts';
import { checkUpstream, newestCheckpoint } from '../../../src/proxy/first-contact.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const origin = 'a-test/logseal';
const key = decodeVkey(encodeVkey(origin, publicKey));
if (key === undefined) throw new Error('no key');

const asker = (status: number, body: unknown) => ({ ask: async () => ({ status, body, headers: {} }) });
const sizeOf = async (...from: Parameters<typeof newestCheckpoint>) => (await newestCheckpoint(...from))?.size ?? 0;
const hits = (...checkpoints: unknown[]) => ({
  hits: { hits: checkpoints.map((checkpoint) => ({ _source: { checkpoint } })) },
});
const note = (size: number, signer = privateKey) =>
  signCheckpoint({ origin, size, root: Buffer.alloc(32, size) }, signer).toString();

t.test('the largest checkpoint under our own key counts, wherever it stands; others count for nothing', async (t) => {
  const stranger = generateKeyPairSync('ed25519').privateKey;
  const found = hits(note(3), note(7), 'no checkpoint', 12, note(1_000, stranger), note(5));
  t.equal(await sizeOf(asker(200, found), key), 7);
  t.equal(await sizeOf(asker(200, hits()), key), 0);
  t.equal(await sizeOf(asker(200, undefined), key), 0);
  t.equal(await sizeOf(asker(404, undefined), key), 0, 'no index yet');
  await t.rejects(sizeOf(asker(503, undefined), key), { code: 'UPSTREAM_REFUSED' });
});

t.test('a directory belongs to the search engine that its records went to', async (t) => {
  checkUpstream(undefined, 'b', '/d');
  checkUpstream('a', 'a', '/d');
  t.throws(() => checkUpstream('a', 'b', '/d'), {
    code: 'UPSTREAM_CHANGED',
    message:
      'the data directory /d belongs to the search engine a, and this one is b: use a new data directory, or start with ' +
      '--new-upstream, which ends all chains and begins new ones',
  });
});
