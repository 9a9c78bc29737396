/** What no single setting can tell: settings that contradict each other, and files that are not there. */
import { accessSync, constants } from 'node:fs';
import { LogsealError } from '../errors.ts';
import { readAdminToken } from './admin-token.ts';
import type { Config, SettingKey } from './config.ts';
import { readEncryptionKeys } from './encryption-keys.ts';
import { isLoopback } from './loopback.ts';
import { clientFileBytesMax, secretFileFault } from './secret-file.ts';
import { adminHasTls, tlsFileFaults } from './tls-files.ts';
import { formatSize } from './units.ts';

export interface Fault {
  readonly key: SettingKey;
  readonly sentence: string;
}

export function relationFaults(config: Config): Fault[] {
  return [
    limitFaults,
    credentialFaults,
    upstreamTlsFaults,
    encryptionFaults,
    doorFaults,
    fileFaults,
    tlsFileFaults,
    nameFaults,
  ].flatMap((of) => of(config));
}

function limitFaults({ wal, intake, connections, listen, adminListen }: Config): Fault[] {
  const faults: Fault[] = [];
  const least = wal.reserveBytes + 2 * wal.segmentBytes;
  if (wal.bytesMax < least) {
    faults.push({
      key: 'wal.bytesMax',
      sentence: `must hold wal.reserveBytes and two segments, ${formatSize(least)} or more`,
    });
  }
  if (intake.memoryBytesMax < intake.bodyBytesMax) {
    faults.push({ key: 'intake.memoryBytesMax', sentence: 'must hold at least one body of intake.bodyBytesMax' });
  }
  if (connections.headersTimeout > connections.requestTimeout) {
    faults.push({ key: 'connections.headersTimeout', sentence: 'must not be longer than connections.requestTimeout' });
  }
  if (listen.port !== 0 && listen.port === adminListen.port && listen.host === adminListen.host) {
    faults.push({ key: 'adminListen', sentence: 'must differ from listen' });
  }
  return faults;
}

function credentialFaults({ elasticsearch }: Config): Fault[] {
  const { apiKeyFile, username, passwordFile } = elasticsearch;
  const faults: Fault[] = [];
  if (apiKeyFile !== undefined && (username ?? passwordFile) !== undefined) {
    faults.push({ key: 'elasticsearch.apiKeyFile', sentence: 'cannot stand beside username and passwordFile' });
  }
  if (username !== undefined && passwordFile === undefined) {
    faults.push({ key: 'elasticsearch.username', sentence: 'needs elasticsearch.passwordFile' });
  }
  if (passwordFile !== undefined && username === undefined) {
    faults.push({ key: 'elasticsearch.passwordFile', sentence: 'needs elasticsearch.username' });
  }
  return faults;
}

/** A key that is no key, and settings that would leave records in clear unsaid. */
function encryptionFaults(config: Config): Fault[] {
  const { keyFile, previousKeyFiles, inClear } = config.encryption;
  const faults: Fault[] = [];
  const fault = (key: SettingKey, sentence: string) => faults.push({ key, sentence });
  if (keyFile !== undefined && inClear.includes('log')) {
    fault('encryption.inClear', '"log" ends encryption, and has no place beside encryption.keyFile');
  }
  if (keyFile === undefined && previousKeyFiles.length > 0 && !inClear.includes('log')) {
    fault('encryption.previousKeyFiles', 'needs encryption.keyFile, or "log" in encryption.inClear to end encryption');
  }
  if (keyFile !== undefined && config.elasticsearch.url.length === 0 && !inClear.includes('store')) {
    fault(
      'encryption.keyFile',
      'the embedded store keeps records in clear: set elasticsearch.url, or "store" in encryption.inClear',
    );
  }
  try {
    readEncryptionKeys(config);
  } catch (error) {
    if (!(error instanceof LogsealError)) throw error;
    fault('encryption.keyFile', error.message);
  }
  return faults;
}

/** How the search engine is recognised, and how it recognises the proxy. */
function upstreamTlsFaults({ elasticsearch }: Config): Fault[] {
  const { url, caFile, caFingerprint, certificateFile, keyFile } = elasticsearch;
  const faults: Fault[] = [];
  const fault = (key: SettingKey, sentence: string) => faults.push({ key, sentence });
  if (caFingerprint !== undefined) {
    const key = 'elasticsearch.caFingerprint';
    if (!/^([0-9a-f]{2}:?){31}[0-9a-f]{2}$/i.test(caFingerprint))
      fault(key, 'must be 64 hex digits: the SHA-256 of a certificate');
    if (caFile !== undefined) fault(key, 'cannot stand beside elasticsearch.caFile');
    // A node without TLS would be believed whatever it is.
    if (url.some((node) => !node.startsWith('https:')))
      fault(key, 'needs https:// for every node of elasticsearch.url');
  }
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    fault('elasticsearch.certificateFile', 'and elasticsearch.keyFile go together');
  }
  return faults;
}

/** TLS settings that need each other, and the admin port that strangers can reach. */
function doorFaults(config: Config): Fault[] {
  const { tls, admin, adminListen } = config;
  const faults: Fault[] = [];
  const fault = (key: SettingKey, sentence: string) => faults.push({ key, sentence });
  if (tls.certificateFile !== undefined && tls.keyFile === undefined) fault('tls.certificateFile', 'needs tls.keyFile');
  if (tls.certificateFile === undefined) {
    if (tls.keyFile !== undefined) fault('tls.keyFile', 'needs tls.certificateFile');
    if (tls.clientCertificates !== 'none') fault('tls.clientCertificates', 'needs tls.certificateFile and tls.keyFile');
    if (admin.tls === 'on') fault('admin.tls', 'needs tls.certificateFile and tls.keyFile');
  }
  if (tls.clientCertificates !== 'none' && tls.clientCaFile === undefined) {
    fault('tls.clientCertificates', 'needs tls.clientCaFile: an authority that signs for your clients only');
  }
  if (tls.clientCertificates === 'none' && tls.clientCaFile !== undefined) {
    fault('tls.clientCaFile', 'has no effect without tls.clientCertificates: request or require');
  }
  if (admin.clientCaFile !== undefined && !adminHasTls(config)) {
    fault('admin.clientCaFile', 'has no effect where the admin port speaks plain HTTP: see admin.tls');
  }
  if (admin.tokenFile === undefined && !isLoopback(adminListen.host)) {
    fault('adminListen', 'can be reached from other machines, so it needs admin.tokenFile');
  }
  try {
    readAdminToken(config);
  } catch (error) {
    if (!(error instanceof LogsealError)) throw error;
    fault('admin.tokenFile', error.message);
  }
  return faults;
}

function fileFaults(config: Config): Fault[] {
  const faults: Fault[] = [];
  const { caFile, certificateFile, keyFile, apiKeyFile, passwordFile } = config.elasticsearch;
  const readable: [SettingKey, string | undefined][] = [
    ['elasticsearch.caFile', caFile],
    ['elasticsearch.certificateFile', certificateFile],
  ];
  for (const path of config.auditor.certificates) readable.push(['auditor.certificates', path]);
  for (const path of config.operator.keys) readable.push(['operator.keys', path]);
  for (const [key, path] of readable) {
    if (path !== undefined && !isReadable(path)) faults.push({ key, sentence: `${path} cannot be read` });
  }
  const secrets: [SettingKey, string | undefined][] = [
    ['elasticsearch.apiKeyFile', apiKeyFile],
    ['elasticsearch.passwordFile', passwordFile],
    ['elasticsearch.keyFile', keyFile],
  ];
  const { file } = config.clients;
  const fault = file === undefined ? undefined : secretFileFault(file, config.secrets.permissions, clientFileBytesMax);
  if (fault !== undefined) faults.push({ key: 'clients.file', sentence: `${file}: ${fault}` });
  for (const [key, path] of secrets) {
    const fault = path === undefined ? undefined : secretFileFault(path, config.secrets.permissions);
    if (fault !== undefined) faults.push({ key, sentence: `${path}: ${fault}` });
  }
  return faults;
}

/** The origin of signed notes is made from the name, where a blank, a plus or a control character would end it. */
function nameFaults({ instance }: Config): Fault[] {
  if (instance.name === undefined || /^[^\s+\p{Cc}]{1,100}$/u.test(instance.name)) return [];
  return [{ key: 'instance.name', sentence: 'must be 1 to 100 characters without blanks, "+" and control characters' }];
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
