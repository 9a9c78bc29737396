import { createSecretKey } from 'node:crypto';
import t from 'tap';
import { bodyCrcOf, decodeFrameHeader, encodeFrameHeader, frameHeaderBytes } from '../../../src/lib/frame.ts';
import { decodeFileHeader, encodeFileHeader } from '../../../src/lib/frame-file.ts';
import type { LogKeys } from '../../../src/wal/frame-cipher.ts';
import { encryptionBytes, FrameCipher, keyIdOf } from '../../../src/wal/frame-cipher.ts';
import { SimulatedDisk } from '../../helpers/simulated-disk.ts';
import { openWal, payloadOf, readAll } from '../../helpers/wal-model.ts';

const keyOf = (byte: number) => createSecretKey(Buffer.alloc(32, byte));
const keys: LogKeys = { current: keyOf(1), previous: [] };
const others: LogKeys = { current: keyOf(2), previous: [keyOf(3)] };
const path = (segment: number) => `/wal/${String(segment).padStart(16, '0')}.wal`;

async function written(
  numbers: readonly number[],
  options: { keys?: LogKeys; size?: number },
  disk = new SimulatedDisk(),
) {
  const { wal } = await openWal(disk, { keys: options.keys });
  for (const n of numbers) await wal.append(payloadOf(n, options.size), 'normal');
  await wal.close();
  return disk;
}

t.test('keys, key id and payload are those of the format page, which another implementation computed', async (t) => {
  const master = createSecretKey(Buffer.from(Array.from({ length: 32 }, (_, byte) => byte)));
  t.equal(keyIdOf(master).toString('hex'), 'dc133fb9dda800b9');
  const cipher = new FrameCipher(master, { id: Buffer.from('01234567'), number: 5 });
  const nonce = Buffer.from('000102030405060708090a0b', 'hex');
  const stored = Buffer.concat(cipher.encrypt(Buffer.from('abc'), 64, nonce));
  t.equal(stored.toString('hex'), '000102030405060708090a0b70830b851de5b93a47b3faf2aee833b8f94ce1');
  t.equal(cipher.decrypt(Buffer.from(stored), 64)?.toString(), 'abc');
});

t.test(
  'a payload is refused after any change, at another offset, in another segment or log, and under another key',
  async (t) => {
    const id = Buffer.from('01234567');
    const cipher = new FrameCipher(keyOf(1), { id, number: 5 });
    const stored = Buffer.concat(cipher.encrypt(Buffer.from('a payload'), 96, Buffer.alloc(12, 9)));
    for (let bit = 0; bit < stored.length * 8; bit++) {
      const flipped = Buffer.from(stored);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      if (cipher.decrypt(flipped, 96) !== undefined) t.fail(`bit ${bit}`);
    }
    t.equal(cipher.decrypt(Buffer.from(stored), 104), undefined);
    t.equal(new FrameCipher(keyOf(1), { id, number: 6 }).decrypt(Buffer.from(stored), 96), undefined);
    t.equal(new FrameCipher(keyOf(1), { id: Buffer.from('x1234567'), number: 5 }).decrypt(stored, 96), undefined);
    t.equal(new FrameCipher(keyOf(2), { id, number: 5 }).decrypt(Buffer.from(stored), 96), undefined);
    t.equal(cipher.decrypt(Buffer.alloc(28), 96), undefined, 'nothing but nonce and tag');
    t.equal(cipher.decrypt(Buffer.alloc(5), 96), undefined, 'shorter than nonce and tag');
    t.equal(cipher.decrypt(stored, 96)?.toString(), 'a payload', 'the payload itself is accepted');
  },
);

t.test('nothing of a payload stands on disk in clear, and without a key it does', async (t) => {
  const canary = payloadOf(7, 40).toString().slice(0, 12);
  const clear = await written([7], {});
  t.ok(clear.content(path(1)).includes(canary), 'control: this would find it');
  const disk = await written([7], { keys });
  t.notOk(disk.content(path(1)).includes(canary));
  t.match(await readAll(disk, undefined, undefined, keys), [{ n: 7 }]);
});

t.test('the same payload at the same place is never the same bytes twice', async (t) => {
  const stored = new Set<string>();
  const disk = new SimulatedDisk();
  const { wal } = await openWal(disk, { keys, segmentBytes: 1024 * 1024 });
  await Promise.all(Array.from({ length: 500 }, () => wal.append(payloadOf(1, 32), 'normal')));
  await wal.close();
  const bytes = disk.content(path(1));
  for (let at = 64; at + 80 <= bytes.length; at += frameHeaderBytes + 64) {
    stored.add(bytes.toString('hex', at + frameHeaderBytes, at + frameHeaderBytes + 12));
  }
  t.equal(stored.size, 500, 'nonces');
  let tries = 0;
  const seen: string[] = [];
  const full = new SimulatedDisk();
  const second = await openWal(full, { keys, reserveBytes: 0 });
  full.fault = (call) => {
    if (call !== 'truncate') return undefined;
    seen.push(full.content(path(1)).toString('hex', 64, 200));
    tries += 1;
    return undefined;
  };
  full.capacity = full.usedBytes + 200;
  await t.rejects(second.wal.append(payloadOf(1, 600), 'normal'), { code: 'LOG_FULL' });
  await t.rejects(second.wal.append(payloadOf(1, 600), 'reserve'), { code: 'LOG_FULL' });
  await second.wal.close();
  t.equal(tries, 2, 'written and taken back twice at one place');
  t.not(seen[0]?.slice(32), seen[1]?.slice(32));
});

t.test('every byte of an encrypted frame is protected, also from somebody who mends the checksums', async (t) => {
  const disk = await written([1, 2, 3], { keys, size: 30 });
  const bytes = disk.content(path(1));
  const end = 64 + 3 * (frameHeaderBytes + 64);
  for (let at = 64; at < end; at++) {
    const copy = disk.copy();
    copy.damage(path(1), (content) => {
      const changed = Buffer.from(content);
      changed[at] = (changed[at] as number) ^ 0x10;
      return changed;
    });
    await t.rejects(readAll(copy, undefined, { segment: 1, offset: end }, keys), { code: 'WAL_CORRUPT' }, `byte ${at}`);
  }
  const header = decodeFileHeader(Buffer.from('LSPWAL\r\n'), bytes.subarray(0, 64), 1, 'allowed');
  if (typeof header === 'string') throw new Error(header);
  const first = decodeFrameHeader(bytes, 64, header, 64);
  if (first === undefined) throw new Error('no frame');
  for (let at = 0; at < first.length; at++) {
    const copy = disk.copy();
    copy.damage(path(1), (content) => {
      const changed = Buffer.from(content);
      const body = changed.subarray(64 + frameHeaderBytes, 64 + frameHeaderBytes + first.length);
      body[at] = (body[at] as number) ^ 0x10;
      encodeFrameHeader(changed, 64, header, 64, { ...first, bodyCrc: bodyCrcOf(body) });
      return changed;
    });
    await t.rejects(
      readAll(copy, undefined, undefined, keys),
      { code: 'WAL_CORRUPT', message: /byte 64|authentication/ },
      `byte ${at} with mended checksums`,
    );
  }
});

t.test(
  'a missing and a wrong key are told apart, by an error that names file and key id, and nothing is changed',
  async (t) => {
    const disk = await written([1, 2], { keys });
    const before = disk.content(path(1));
    const id = keyIdOf(keyOf(1)).toString('hex');
    const missing = { code: 'ENCRYPTION_KEY_MISSING', message: new RegExp(`0001\\.wal is encrypted.*${id}`) };
    const wrong = {
      code: 'ENCRYPTION_KEY_WRONG',
      message: new RegExp(`0001\\.wal .*${id}.*${keyIdOf(keyOf(3)).toString('hex')}`),
    };
    await t.rejects(openWal(disk), missing);
    await t.rejects(openWal(disk, { keys: others }), wrong);
    await t.rejects(readAll(disk), missing);
    await t.rejects(readAll(disk, undefined, undefined, others), wrong);
    t.ok(disk.content(path(1)).equals(before));
    t.match(await readAll(disk, undefined, undefined, keys), [{ n: 1 }, { n: 2 }]);
  },
);

t.test(
  'a key that comes to a log in clear: old frames are read, new ones are encrypted, and what is in clear is counted until it is gone',
  async (t) => {
    const disk = await written([1, 2], {});
    const { wal } = await openWal(disk, { keys });
    t.equal(wal.clearSegments, 1);
    const end = wal.durable;
    await wal.append(payloadOf(3), 'normal');
    t.notOk(disk.content(path(2)).includes(payloadOf(3).subarray(0, 12)));
    t.match(await readAll(disk, undefined, wal.durable, keys), [{ n: 1 }, { n: 2 }, { n: 3 }]);
    await wal.trim({ segment: 2, offset: 64 });
    t.equal(wal.clearSegments, 0);
    t.strictSame(await disk.names('/wal').then((names) => names.filter((name) => name.endsWith('.wal'))), [
      '0000000000000002.wal',
    ]);
    await wal.close();
    await t.rejects(
      openWal(disk),
      { code: 'ENCRYPTION_KEY_MISSING' },
      'and there is no way back by leaving the key out',
    );
    const again = await openWal(disk, { keys, cursor: end });
    t.equal(again.recovery.frames, 1, 'the position before keeps its meaning');
    t.equal(again.recovery.bytes, payloadOf(3).length);
    await again.wal.close();
  },
);

t.test(
  'a changed key: old segments are read under the one before, new ones are written under the new one',
  async (t) => {
    const disk = await written([1], { keys });
    const changed: LogKeys = { current: keyOf(2), previous: [keyOf(9), keyOf(1)] };
    await written([2], { keys: changed }, disk);
    t.match(await readAll(disk, undefined, undefined, changed), [{ n: 1 }, { n: 2 }]);
    const idIn = (segment: number) => disk.content(path(segment)).toString('hex', 48, 56);
    t.strictSame([idIn(1), idIn(2)], [keyIdOf(keyOf(1)).toString('hex'), keyIdOf(keyOf(2)).toString('hex')]);
    await t.rejects(openWal(disk, { keys }), { code: 'ENCRYPTION_KEY_WRONG', message: /0002\.wal/ });
    await written([3], { keys: { current: undefined, previous: [keyOf(1), keyOf(2)] } }, disk);
    t.ok(
      disk.content(path(3)).includes(payloadOf(3).subarray(0, 12)),
      'without a current key new segments are in clear',
    );
  },
);

t.test('only files that may be encrypted are read as such, and their headers have one form', async (t) => {
  const magic = Buffer.from('TESTTEST');
  const place = { id: Buffer.from('01234567'), number: 5 };
  const header = { ...place, previousEnd: 1000, createdMs: 5, keyId: Buffer.from('8 bytes!') };
  const bytes = encodeFileHeader(magic, header);
  t.strictSame(decodeFileHeader(magic, bytes, 5, 'allowed'), header);
  t.match(decodeFileHeader(magic, bytes, 5), /format version 2, not 1/);
  t.equal(bytes.length, 64);
  t.equal(encryptionBytes, 28);
});
