/**
 * Whom the chain secrets are wrapped to: the configured certificates, or for a first try a development auditor whose key lies
 * beside the data, which proves nothing to others.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Certificate } from '../keys/auditor.ts';
import { createAuditor, readCertificates } from '../keys/auditor.ts';
import { replaceFile } from '../lib/durable-file.ts';

export interface Auditors {
  certificates: Certificate[];
  /** Where the development key lies, if it is in use. */
  developmentDir: string | undefined;
}

export async function findAuditors(configured: readonly string[], dataDir: string): Promise<Auditors> {
  if (configured.length > 0) return { certificates: await readCertificates(configured), developmentDir: undefined };
  const directory = join(dataDir, 'development-auditor');
  const certificatePath = join(directory, 'auditor.cert.pem');
  if (!existsSync(certificatePath)) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const { keyPem, certPem } = await createAuditor({ name: 'logseal development auditor' });
    await replaceFile(join(directory, 'auditor.key.pem'), keyPem);
    await replaceFile(certificatePath, certPem, 0o644);
  }
  return { certificates: await readCertificates([certificatePath]), developmentDir: directory };
}
