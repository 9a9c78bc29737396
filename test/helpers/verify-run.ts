/** Runs verification over documents in memory, with plain defaults that a test overrides. */
import { createPublicKey } from 'node:crypto';
import { tmpdir } from 'node:os';
import type { Finding } from '../../src/verify/finding.ts';
import type { Summary, VerifyOptions } from '../../src/verify/options.ts';
import type { IndexDescription, Source, SourceDocument } from '../../src/verify/source.ts';
import { systemIndices } from '../../src/verify/source.ts';
import { verify } from '../../src/verify/verification.ts';

/** A document as a test writes it: `source` is the text of `_source`. */
export interface TextDocument {
  index: string;
  id: string;
  source: string;
}

const systemNames: ReadonlySet<string> = new Set([
  systemIndices.checkpoints,
  systemIndices.seals,
  systemIndices.control,
]);

export class MemorySource implements Source {
  readonly kind = 'ndjson';
  readonly live: boolean;
  readonly description = 'memory';
  readonly #documents: readonly SourceDocument[];
  readonly #indices: IndexDescription[];

  constructor(documents: readonly TextDocument[], live = false, indices: IndexDescription[] = []) {
    this.#documents = documents.map(({ index, id, source }) => ({ index, id, source: Buffer.from(source, 'latin1') }));
    this.live = live;
    this.#indices = indices;
  }

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  async indices(): Promise<IndexDescription[]> {
    return this.#indices;
  }

  async *system(): AsyncIterable<SourceDocument[]> {
    yield this.#documents.filter(({ index }) => systemNames.has(index));
  }

  async *records(): AsyncIterable<SourceDocument[]> {
    yield this.#documents.filter(({ index }) => !systemNames.has(index));
  }
}

export interface RunResult {
  findings: Finding[];
  summary: Summary;
}

/** `secrets`: S_chain by chain id, base64url; undefined: without keys. */
export interface RunOptions extends Partial<VerifyOptions> {
  secrets?: Record<string, string> | undefined;
  live?: boolean;
  statePath?: string;
}

export async function runVerify(documents: readonly TextDocument[], options: RunOptions): Promise<RunResult> {
  const findings: Finding[] = [];
  const summary = await verify(plainOptions(documents, { onFinding: (finding) => findings.push(finding), ...options }));
  return { findings, summary };
}

export function plainOptions(documents: readonly TextDocument[], options: RunOptions): VerifyOptions {
  const { secrets, live, statePath, ...rest } = options;
  return {
    source: new MemorySource(documents, live ?? false),
    now: Date.UTC(2026, 0, 1),
    graceMs: 60_000,
    trust: [],
    unwrap:
      secrets === undefined
        ? undefined
        : (chain) => (secrets[chain] === undefined ? undefined : Buffer.from(secrets[chain], 'base64url')),
    operatorKeys: [],
    selection: {},
    stateFile: () => statePath,
    remarks: [],
    anchors: [],
    placePatterns: [],
    pipelinePaths: [],
    view: undefined,
    developmentKey: false,
    temporaryDirectory: tmpdir(),
    onFinding: () => {},
    onProgress: () => {},
    ...rest,
  };
}

/** A public key from its SPKI in base64. */
export function publicKeyFrom(spki: string) {
  return createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
}
