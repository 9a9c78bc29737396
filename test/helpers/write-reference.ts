/** Writes the files that are made from the code: `node test/helpers/write-reference.ts`. */
import { writeFileSync } from 'node:fs';
import { referenceFiles } from './reference.ts';

if (import.meta.main) {
  for (const [path, text] of await referenceFiles()) writeFileSync(new URL(`../../${path}`, import.meta.url), text);
}
