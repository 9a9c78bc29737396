/**
 * Reads the file of the proxy's own clients: checked against a schema, all problems at once, each with its line.
 * Never repeats a value of it in a sentence but names: the file holds hashes, and somebody may have put a secret there.
 */
import type { ErrorObject } from 'ajv';
import { Ajv } from 'ajv';
import { fileLayer } from '../config/file-layer.ts';
import type { Layer, Problem } from '../config/layer.ts';
import { clientFileBytesMax, secretFileFault } from '../config/secret-file.ts';
import { parseSize, sizePattern } from '../config/units.ts';
import { LogsealError } from '../errors.ts';
import type { PasswordHash } from './password-hash.ts';
import { parsePasswordHash } from './password-hash.ts';

export interface ClientEntry {
  readonly name: string;
  readonly apiKeys: readonly NamedHash[];
  readonly users: readonly NamedHash[];
  readonly certificates: readonly CertificateRule[];
  readonly indices: readonly string[];
  readonly pipelines: readonly string[];
  readonly chain: string | undefined;
  readonly recordsPerSecond: number | undefined;
  readonly bytesPerSecond: number | undefined;
}

/** `name`: the id of an API key, or a user's name. */
export interface NamedHash {
  readonly name: string;
  readonly hash: PasswordHash;
}

/** All that it names must be so in the certificate. Names may hold `*`. */
export interface CertificateRule {
  readonly fingerprint?: string;
  readonly commonName?: string;
  readonly dnsName?: string;
  readonly uri?: string;
}

const clientsMax = 2_000;
const credentialsMax = 16;
const patternsMax = 256;

const text = (maxLength: number) => ({ type: 'string', minLength: 1, maxLength });
const list = (items: object, maxItems: number, minItems = 0) => ({ type: 'array', items, maxItems, minItems });
const object = (properties: object, required: string[]) => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required,
});
const hash = text(256);

const entrySchema = object(
  {
    name: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' },
    apiKeys: list(
      object({ id: { type: 'string', pattern: '^[^:\\s]{1,128}$' }, hash }, ['id', 'hash']),
      credentialsMax,
    ),
    users: list(object({ name: { type: 'string', pattern: '^[^:]{1,128}$' }, hash }, ['name', 'hash']), credentialsMax),
    certificates: list(
      {
        ...object(
          {
            fingerprint: { type: 'string', pattern: '^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$' },
            commonName: text(256),
            dnsName: text(256),
            uri: text(1024),
          },
          [],
        ),
        minProperties: 1,
      },
      credentialsMax,
    ),
    indices: list(text(255), patternsMax, 1),
    pipelines: list(text(255), patternsMax),
    chain: { type: 'string', pattern: '^[^\\s]{1,128}$' },
    recordsPerSecond: { type: 'integer', minimum: 1, maximum: 1_000_000_000 },
    bytesPerSecond: { type: 'string', pattern: sizePattern },
  },
  ['name', 'indices'],
);

const validate = new Ajv({ allErrors: true }).compile(object({ clients: list(entrySchema, clientsMax) }, ['clients']));

type RawEntry = Omit<ClientEntry, 'apiKeys' | 'users' | 'bytesPerSecond'> & {
  readonly apiKeys?: readonly { id: string; hash: string }[];
  readonly users?: readonly { name: string; hash: string }[];
  readonly bytesPerSecond?: string;
};

/** Errors: CONFIG_INVALID, one line for each problem. */
export function readClientFile(path: string, permissions: 'private' | 'any'): ClientEntry[] {
  const problems: Problem[] = [];
  const fault = secretFileFault(path, permissions, clientFileBytesMax);
  if (fault !== undefined) problems.push({ where: path, key: '', sentence: fault });
  const layer = fault === undefined ? fileLayer(path, problems) : undefined;
  if (layer === undefined || problems.length > 0) throw invalid(problems);
  if (!validate(layer.values)) {
    throw invalid(distinct((validate.errors ?? []).map((error) => schemaProblem(error, layer))));
  }
  const raw = layer.values.clients as readonly RawEntry[];
  const reading = new Reading(layer);
  const entries = raw.map((entry, at) => reading.entry(entry, at));
  if (reading.problems.length > 0) throw invalid(reading.problems);
  return entries;
}

/** What no schema can tell: hashes that cannot be used, names that stand twice. */
class Reading {
  readonly problems: Problem[] = [];
  readonly #layer: Layer;
  readonly #seen = new Set<string>();

  constructor(layer: Layer) {
    this.#layer = layer;
  }

  entry(raw: RawEntry, at: number): ClientEntry {
    const place = ['clients', String(at)];
    const { name, apiKeys = [], users = [], certificates = [], bytesPerSecond, chain } = raw;
    this.#once('client', name, place);
    if (apiKeys.length + users.length + certificates.length === 0) {
      this.#add(place, `${name} has neither apiKeys nor users nor certificates`);
    }
    if (chain === 'control' || chain === 'catch-all')
      this.#add([...place, 'chain'], `${chain} is the proxy's own chain`);
    const bytes = bytesPerSecond === undefined ? undefined : parseSize(bytesPerSecond);
    if (bytes === 0) this.#add([...place, 'bytesPerSecond'], 'must be more than nothing');
    return {
      name,
      apiKeys: apiKeys.map((key, n) => this.#hash('API key', key.id, key.hash, [...place, 'apiKeys', String(n)])),
      users: users.map((user, n) => this.#hash('user', user.name, user.hash, [...place, 'users', String(n)])),
      certificates: certificates.map((rule) =>
        rule.fingerprint === undefined
          ? rule
          : { ...rule, fingerprint: rule.fingerprint.replaceAll(':', '').toLowerCase() },
      ),
      indices: raw.indices,
      pipelines: raw.pipelines ?? [],
      chain,
      recordsPerSecond: raw.recordsPerSecond,
      bytesPerSecond: bytes,
    };
  }

  #hash(what: string, name: string, written: string, place: string[]): NamedHash {
    this.#once(what, name, place);
    const parsed = parsePasswordHash(written);
    if (parsed !== undefined) return { name, hash: parsed };
    this.#add(place, `hash must be one that \`logseal clients hash\` has printed`);
    return { name, hash: { ln: 0, r: 0, p: 0, salt: Buffer.alloc(0), hash: Buffer.alloc(0) } };
  }

  #once(what: string, name: string, place: string[]): void {
    const seen = `${what} ${name}`;
    if (this.#seen.has(seen)) this.#add(place, `${seen} stands in the file twice`);
    this.#seen.add(seen);
  }

  #add(place: string[], sentence: string): void {
    this.problems.push({ where: this.#layer.where(place), key: place.join('.'), sentence });
  }
}

function schemaProblem(error: ErrorObject, layer: Layer): Problem {
  const path = error.instancePath.split('/').slice(1);
  if (error.keyword !== 'additionalProperties') {
    return { where: layer.where(path), key: path.join('.'), sentence: error.message ?? 'has a wrong form' };
  }
  const unknown = String(error.params.additionalProperty);
  // Broken YAML makes names out of values.
  const place = /^[A-Za-z]{1,32}$/.test(unknown) ? [...path, unknown] : path;
  const sentence = place === path ? 'has a member that is none' : 'is no member of such an entry';
  return { where: layer.where(place), key: place.join('.'), sentence };
}

function distinct(problems: Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [`${problem.where} ${problem.key}`, problem])).values()];
}

function invalid(problems: readonly Problem[]): LogsealError {
  const lines = problems.map(
    ({ where, key, sentence }) => `  ${[`${where}:`, key, sentence].filter(Boolean).join(' ')}`,
  );
  const title = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return new LogsealError('CONFIG_INVALID', `${title} in the file of clients\n${lines.join('\n')}`, { problems });
}
