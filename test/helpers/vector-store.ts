/** The log of the vectors as an export and as an embedded store, for tests of what reads either. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreDatabase } from '../../src/store/database.ts';
import { writeDocument } from '../../src/store/document-operations.ts';

export const { log: vectorLog } = JSON.parse(readFileSync(new URL('../vectors/vectors.json', import.meta.url), 'utf8'));

export const vectorLines: readonly string[] = vectorLog.documents.map(({ line }: { line: string }) => line);

/** A data directory whose embedded store holds the lines of an export, `_source` to the byte. */
export function writeStore(dataDir: string, lines: readonly string[]): void {
  mkdirSync(join(dataDir, 'store'), { recursive: true });
  const database = new StoreDatabase(join(dataDir, 'store', 'logseal.sqlite'));
  database.transaction(() => {
    for (const line of lines) {
      const { _index: index, _id: id } = JSON.parse(line);
      const source = Buffer.from(line.slice(line.indexOf('"_source":') + '"_source":'.length, -1));
      writeDocument(database, { index, id, source, create: true });
    }
  });
  database.close();
}
