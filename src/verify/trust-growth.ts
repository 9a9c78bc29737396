/**
 * Trust files as the verified control chains make them: what was trusted before, and every chain that they name since.
 *
 * Owns nothing but the reading for it: the same first phase as a run of verification, and no record. Must never name a chain that no
 * verified record of a trusted control chain names.
 */
import type { TrustFile } from '../chain/trust-file.ts';
import type { Finding } from './finding.ts';
import type { VerifyOptions } from './options.ts';
import { SystemDocuments } from './system-documents.ts';
import { judgeSystem } from './system-phase.ts';
import { Tally } from './tally.ts';

export interface GrownTrust {
  trust: TrustFile;
  /** There was no trust file to go on from: it is what the source says of itself. */
  pinned: boolean;
}

/** One for each instance. The source is opened and closed here. Errors: of the source. */
export async function growTrustFiles(options: VerifyOptions): Promise<{ grown: GrownTrust[]; findings: Finding[] }> {
  const findings: Finding[] = [];
  const tally = new Tally((finding) => findings.push(finding));
  const documents = new SystemDocuments(options.temporaryDirectory, tally);
  try {
    await options.source.open();
    for await (const batch of options.source.system()) for (const document of batch) documents.add(document);
    const { instances, book } = judgeSystem(options, documents, [], tally);
    tally.release([]);
    const grown = instances.map(({ number, origin, vkey, controls, expected, pinned }): GrownTrust => {
      const named = book.trusted().filter((chain) => chain.instance === number);
      const chains = [...new Set([...expected, ...named.map(({ id }) => id)])];
      const [control = ''] = controls;
      return { trust: { origin, vkey, control, chains }, pinned };
    });
    book.wipe();
    return { grown, findings };
  } finally {
    await options.source.close();
    documents.close();
  }
}
