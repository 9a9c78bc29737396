/**
 * A stream as a file that can be read more than once: verification reads an export twice.
 *
 * Owns a temporary file that nobody else can open and that has no name any more once it is returned.
 */
import type { FileHandle } from 'node:fs/promises';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

/** Everything of the stream, in a file without name; the caller closes it. */
export async function spoolToFile(stream: Readable): Promise<FileHandle> {
  const directory = await mkdtemp(join(tmpdir(), 'logseal-'));
  const file = await open(join(directory, 'export.ndjson'), 'wx+', 0o600).finally(() =>
    rm(directory, { recursive: true, force: true }),
  );
  try {
    for await (const chunk of stream) await file.write(Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk)));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
