/** Looks at certificates and public keys that the configuration names: whether they can be used, and for how long. */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { readCertificates } from '../keys/auditor.ts';
import type { Area, Check } from './check.ts';
import { dayMs, messageOf, soonMs } from './check.ts';

/** Of the data directory's instance.json, as far as the doctor needs it. */
export interface KnownInstance {
  upstream?: string;
  certificates: readonly string[];
  clean: boolean;
}

export async function checkKeys(config: Config, instance: KnownInstance | undefined, nowMs: number): Promise<Check[]> {
  return [...(await auditors(config, instance, nowMs)), ...operators(config), encryption(config)];
}

async function auditors(
  { auditor, dataDir }: Config,
  instance: KnownInstance | undefined,
  nowMs: number,
): Promise<Check[]> {
  const area = 'keys';
  if (auditor.certificates.length === 0) {
    const advice =
      'logseal keygen auditor away from this machine, then auditor.certificates: whoever has the data can forge until then';
    const there = existsSync(join(dataDir, 'development-auditor'))
      ? 'a development key lies beside the data'
      : 'the first start makes a development key beside the data';
    return [{ area, status: 'warn', found: `no auditor certificate is configured: ${there}`, advice }];
  }
  const checks: Check[] = [];
  const known: string[] = [];
  for (const path of auditor.certificates) {
    try {
      for (const { notAfterMs, sha256 } of await readCertificates([path], nowMs)) {
        known.push(sha256);
        checks.push(
          untilCheck(
            area,
            `auditor certificate ${path} (RSA, 3072 bits or more)`,
            notAfterMs,
            nowMs,
            'a new one rotates all chains at the next start',
          ),
        );
      }
    } catch (error) {
      checks.push({
        area,
        status: 'fail',
        found: messageOf(error),
        advice: 'the proxy does not start with it: mend auditor.certificates',
      });
    }
  }
  const before = [...(instance?.certificates ?? [])].sort().join();
  if (before !== '' && before !== known.sort().join()) {
    const found = 'the auditor certificates are others than those that the chains are wrapped to';
    checks.push({
      area,
      status: 'warn',
      found,
      advice: 'the next start ends all chains and wraps new ones to them: check that it is meant',
    });
  }
  return checks;
}

function operators({ operator }: Config): Check[] {
  const area = 'keys';
  return operator.keys.map((path): Check => {
    try {
      const { asymmetricKeyType } = createPublicKey(readFileSync(path));
      if (asymmetricKeyType === 'ed25519') return { area, status: 'ok', found: `operator key ${path} (Ed25519)` };
      return {
        area,
        status: 'fail',
        found: `operator key ${path} is of type ${asymmetricKeyType}`,
        advice: 'give a public key of logseal keygen operator',
      };
    } catch (error) {
      return {
        area,
        status: 'fail',
        found: `operator key ${path} cannot be read: ${messageOf(error)}`,
        advice: 'mend operator.keys',
      };
    }
  });
}

/** That the keys can be read is a matter of the configuration, which was loaded. */
function encryption({ encryption: { keyFile } }: Config): Check {
  const found =
    keyFile === undefined
      ? 'records that wait stand on this disk in clear (encryption.keyFile is not set)'
      : `the write-ahead log is encrypted with ${keyFile}`;
  return { area: 'keys', status: 'ok', found };
}

/** Certificates of the doors and of the search engine's authority, each file with the one that ends first. */
export function checkCertificates({ tls, admin, elasticsearch }: Config, nowMs: number): Check[] {
  const area = 'certificates';
  const files: [string, string | undefined][] = [
    ['tls.certificateFile', tls.certificateFile],
    ['tls.clientCaFile', tls.clientCaFile],
    ['admin.clientCaFile', admin.clientCaFile],
    ['elasticsearch.caFile', elasticsearch.caFile],
    ['elasticsearch.certificateFile', elasticsearch.certificateFile],
  ];
  const checks: Check[] = [];
  for (const [setting, path] of files) {
    if (path === undefined) continue;
    try {
      const ends = endsOf(path);
      checks.push(
        untilCheck(area, `${setting} ${path}`, ends, nowMs, 'put a new one in its place; SIGHUP brings it into force'),
      );
    } catch (error) {
      checks.push({ area, status: 'fail', found: `${setting} ${path}: ${messageOf(error)}`, advice: 'mend the file' });
    }
  }
  if (tls.certificateFile === undefined)
    checks.push({ area, status: 'ok', found: 'shippers speak plain HTTP (tls.certificateFile is not set)' });
  return checks;
}

function endsOf(path: string): number {
  const blocks = readFileSync(path, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error('holds no certificate in PEM');
  return Math.min(...blocks.map((block) => new X509Certificate(block).validToDate.getTime()));
}

/** How long something holds: fails when it is over, warns a month before. */
export function untilCheck(area: Area, what: string, untilMs: number, nowMs: number, advice: string): Check {
  const days = Math.floor((untilMs - nowMs) / dayMs);
  if (untilMs <= nowMs)
    return { area, status: 'fail', found: `${what} ended on ${new Date(untilMs).toISOString()}`, advice };
  const found = `${what}: ${days} days left`;
  return untilMs - nowMs < soonMs ? { area, status: 'warn', found, advice } : { area, status: 'ok', found };
}
