/** (a) What nobody can save: the salt, five hashes and the copy of each record into the log's bytes, on one core. */

import { webRecords } from './documents.ts';
import { batchOf, SignedForm } from './signed-form.ts';

const recordsAtOnce = 1000;

/** Records a second. */
export function hashingRate(recordBytes: number, seconds = 1): number {
  const form = new SignedForm('web');
  const batch = batchOf('web', webRecords(recordsAtOnce, recordBytes));
  for (let i = 0; i < 10; i += 1) form.giveBack(form.sign(batch));
  const begin = performance.now();
  let records = 0;
  while (performance.now() - begin < seconds * 1000) {
    form.giveBack(form.sign(batch));
    records += recordsAtOnce;
  }
  return (records * 1000) / (performance.now() - begin);
}
