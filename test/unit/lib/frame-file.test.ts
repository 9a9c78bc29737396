import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { DiskFile, FileSystem } from '../../../src/lib/file-system.ts';
import { diskFileSystem, isFullError, isMissingError, replaceDurably, writeAll } from '../../../src/lib/file-system.ts';
import { bodyCrcOf, decodeFrameHeader, encodeFrameHeader, frameBytes, paddingOf } from '../../../src/lib/frame.ts';
import { decodeFileHeader, encodeFileHeader, findProofOfDamage, readFrames } from '../../../src/lib/frame-file.ts';

const place = { id: Buffer.from('01234567'), number: 5 };
const magic = Buffer.from('TESTTEST');

/** Frames as a writer puts them on disk: each inner list is one group. The file begins with 64 bytes of anything. */
function framesOf(groups: Buffer[][]): Buffer {
  const parts: Buffer[] = [Buffer.alloc(64, 0xff)];
  let offset = 64;
  for (const payloads of groups) {
    const group = offset;
    for (const payload of payloads) {
      const header = Buffer.alloc(16);
      encodeFrameHeader(header, 0, place, offset, { length: payload.length, group, bodyCrc: bodyCrcOf(payload) });
      parts.push(header, payload, paddingOf(payload.length));
      offset += frameBytes(payload.length);
    }
  }
  return Buffer.concat(parts);
}

async function open(test: Pick<typeof t, 'testdir' | 'teardown'>, bytes: Buffer): Promise<DiskFile> {
  const path = join(test.testdir(), `file-${bytes.length}`);
  writeFileSync(path, bytes);
  const file = await diskFileSystem.open(path, 'read');
  test.teardown(() => file.close());
  return file;
}

t.test('the bytes of a frame are those of the format page', async (t) => {
  const bytes = framesOf([[Buffer.from('abc')]]).subarray(64);
  t.equal(bytes.toString('hex'), '0000000300000040eb2a5f7449c4a7856162630000000000');
});

t.test('a frame header is only valid in its file, at its offset, as it was written', async (t) => {
  const bytes = Buffer.alloc(16);
  const header = { length: 10, group: 64, bodyCrc: 0x1234 };
  encodeFrameHeader(bytes, 0, place, 96, header);
  t.strictSame(decodeFrameHeader(bytes, 0, place, 96), header);
  t.equal(decodeFrameHeader(bytes, 0, place, 104), undefined);
  t.equal(decodeFrameHeader(bytes, 0, { ...place, number: 6 }, 96), undefined);
  t.equal(decodeFrameHeader(bytes, 0, { ...place, number: 5 + 2 ** 32 }, 96), undefined);
  t.equal(decodeFrameHeader(bytes, 0, { ...place, id: Buffer.from('01234568') }, 96), undefined);
  for (let bit = 0; bit < 128; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    if (decodeFrameHeader(flipped, 0, place, 96) !== undefined) t.fail(`bit ${bit}`);
  }
  t.equal(decodeFrameHeader(Buffer.alloc(16), 0, place, 96), undefined, 'zeros are no frame');
});

t.test('a file header says what is wrong with it', async (t) => {
  const header = { ...place, previousEnd: 1000, createdMs: 1_763_891_234_567 };
  const bytes = encodeFileHeader(magic, header);
  t.strictSame(decodeFileHeader(magic, bytes, 5), header);
  t.match(decodeFileHeader(magic, bytes, 6), /another number/);
  t.match(decodeFileHeader(Buffer.from('OTHEROTH'), bytes, 5), /another kind/);
  t.match(decodeFileHeader(magic, bytes.subarray(0, 63), 5), /shorter/);
  for (let at = 0; at < 64; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] as number) ^ 4;
    t.match(decodeFileHeader(magic, flipped, 5), /checksum/);
  }
  const { crc32 } = await import('node:zlib');
  const sealed = (at: number, value: number): Buffer => {
    const changed = Buffer.from(bytes);
    changed.writeUInt32BE(value, at);
    changed.writeUInt32BE(crc32(changed.subarray(0, 60)), 60);
    return changed;
  };
  t.match(decodeFileHeader(magic, sealed(8, 2), 5), /format version 2, not 1/);
  t.match(decodeFileHeader(magic, sealed(12, 65), 5), /another shape/);
  t.match(decodeFileHeader(magic, sealed(52, 1), 5), /another shape/);
});

t.test('runs end at the bound, at 4 MiB, or at what is no frame', async (t) => {
  const mebibyte = Buffer.alloc(1024 * 1024 - 16, 7);
  const bytes = framesOf([[mebibyte, mebibyte, mebibyte], [mebibyte, Buffer.from('x')], [Buffer.alloc(5_000_000, 1)]]);
  const file = await open(t, bytes);
  const first = await readFrames(file, place, 64, bytes.length);
  t.match([first.frames.length, first.stop], [4, 'piece']);
  const second = await readFrames(file, place, first.next, bytes.length);
  t.match([second.frames.length, second.stop], [1, 'piece']);
  const third = await readFrames(file, place, second.next, bytes.length);
  t.match([third.frames.length, third.frames[0]?.payload.length, third.stop], [1, 5_000_000, 'bound']);
  const bounded = await readFrames(file, place, 64, first.frames[1]?.next as number);
  t.match([bounded.frames.length, bounded.stop], [2, 'bound']);
  t.match(await readFrames(file, place, 64, 64 + 20), { frames: [], stop: 'damage' }, 'a bound within a frame');
  t.match(
    await readFrames(file, place, bytes.length, bytes.length + 100),
    { frames: [], stop: 'damage' },
    'past the end',
  );
  const cut = await open(t, bytes.subarray(0, bytes.length - 9));
  t.match(await readFrames(cut, place, second.next, bytes.length), { frames: [], stop: 'damage' });
});

t.test('only a frame of a later group proves damage', async (t) => {
  const a = Buffer.alloc(40, 1);
  const bytes = framesOf([[a, a, a], [a]]);
  const size = frameBytes(40);
  const groups = await open(t, bytes);
  t.equal(await findProofOfDamage(groups, place, 64, bytes.length), 64 + 3 * size);
  t.equal(await findProofOfDamage(groups, place, 64 + 2 * size, bytes.length), 64 + 3 * size);
  t.equal(await findProofOfDamage(groups, place, 64 + 3 * size, bytes.length), undefined);
  const one = framesOf([[a, a, a, a]]);
  t.equal(await findProofOfDamage(await open(t, one), place, 64, one.length), undefined);
  const far = framesOf([[a], [Buffer.alloc(9 * 1024 * 1024)], [a]]);
  const proof = await findProofOfDamage(await open(t, far), place, 64 + size, far.length);
  t.equal(proof, far.length - size, 'also many pieces later');
});

t.test('a file is replaced whole, and missing and full are told apart from broken', async (t) => {
  const directory = t.testdir();
  const path = join(directory, 'value');
  await replaceDurably(diskFileSystem, path, [Buffer.from('one')]);
  await replaceDurably(diskFileSystem, path, [Buffer.from('tw'), Buffer.from('o')]);
  const file = await diskFileSystem.open(path, 'edit');
  const bytes = Buffer.alloc(10);
  t.equal(await file.read(bytes, 0), 3);
  t.equal(bytes.toString('latin1', 0, 3), 'two');
  t.equal(await file.read(bytes, 3), 0);
  await writeAll(file, [Buffer.from('ab'), Buffer.alloc(0), Buffer.from('cd')], 3);
  await file.syncBytes();
  await file.truncate(5);
  await file.sync();
  t.equal(await file.size(), 5);
  await file.close();
  t.strictSame(await diskFileSystem.names(directory), ['value']);
  t.strictSame(await diskFileSystem.names(join(directory, 'none')), []);
  await t.rejects(diskFileSystem.names(path), { code: 'ENOTDIR' });
  await diskFileSystem.remove(path);
  const missing = await diskFileSystem.open(path, 'read').catch((error: unknown) => error);
  t.ok(isMissingError(missing) && !isFullError(missing));
  t.ok(['ENOSPC', 'EDQUOT', 'EFBIG'].every((code) => isFullError(Object.assign(new Error(), { code }))));
  t.notOk(isFullError(new Error()) || isFullError({ code: 'ENOSPC' }));
  t.ok((await diskFileSystem.freeBytes(directory)) > 0);
  await diskFileSystem.makeDirectory(join(directory, 'a', 'b'));
  await diskFileSystem.syncDirectory(join(directory, 'a'));
});

t.test('a write that is cut anywhere is continued there', async (t) => {
  const wanted = Buffer.from('the quick brown fox');
  for (let most = 1; most < 7; most++) {
    const disk = Buffer.alloc(wanted.length);
    const file: Pick<DiskFile, 'write'> = {
      write: async (parts, position) => {
        const bytes = Buffer.concat(parts).subarray(0, most);
        bytes.copy(disk, position);
        return bytes.length;
      },
    };
    await writeAll(file as DiskFile, [wanted.subarray(0, 3), wanted.subarray(3, 4), wanted.subarray(4)], 0);
    t.equal(disk.toString(), wanted.toString());
  }
});

t.test('a temporary file that cannot be written leaves the old one alone', async (t) => {
  const fs: FileSystem = {
    ...diskFileSystem,
    open: async () => ({
      ...({} as DiskFile),
      write: async () => {
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      },
      close: async () => undefined,
    }),
    rename: async () => {
      t.fail('renamed');
    },
  };
  await t.rejects(replaceDurably(fs, '/x', [Buffer.from('x')]), { code: 'EIO' });
});
