import type { Clock } from '../lib/clock.ts';
import { matchesGlob } from '../lib/glob.ts';
import type { Asker, JsonObject } from './ask.ts';
import { askFor, askOptional, integerAt, isObject, objectAt, textsAt } from './ask.ts';
import type { SignatureFieldState } from './signature-mapping.ts';
import { additiveMapping, signatureFieldState } from './signature-mapping.ts';
import type { RawNeed } from './source-rule.ts';
import { sourceRule } from './source-rule.ts';
import type { ConcreteIndex, Topology } from './topology.ts';
import { isPlainName, resolveTopology } from './topology.ts';

export interface DestinationInfo {
  name: string;
  kind: 'index' | 'alias' | 'data-stream' | 'missing';
  exists: boolean;
  dataStream: boolean;
  /** Concrete indices behind it; oldest first for a data stream. */
  indices: readonly ConcreteIndex[];
  /** Takes new documents; undefined where nothing does. */
  writeIndex: string | undefined;
  sourceMode: 'stored' | 'synthetic';
  sourceDisabled: boolean;
  timeSeries: boolean;
  raw: RawNeed;
  /** Why `raw` is always written. */
  rawReasons: readonly string[];
  /** In the mapping of the write index, or of the index that would be made. */
  signatureField: SignatureFieldState;
  /** What to add to that mapping where the field is absent. */
  signatureMapping: JsonObject;
  /** Documents without signature field in the write index, counted when it was first seen here. */
  documents: number;
  /** Why nothing signed may be sent there. */
  held: string | undefined;
}

export interface DestinationsOptions {
  asker: Asker;
  clock: Clock;
  /** The embedded store: keeps bytes as they come, and answers none of these questions. */
  embedded: boolean;
  /** Default 60 s. */
  keepMs?: number;
  /** Destinations kept. Default 4,096. */
  destinationsMax?: number;
}

export class DestinationBook {
  readonly #options: DestinationsOptions;
  readonly #known = new Map<string, { info: DestinationInfo; untilMs: number }>();
  /** By write index, so that a count is taken once, before our own documents are in it. */
  readonly #counted = new Map<string, number>();

  constructor(options: DestinationsOptions) {
    this.#options = options;
  }

  /** Throws UPSTREAM_DENIED when the engine does not let us look, UPSTREAM_REFUSED or UPSTREAM_UNKNOWN when it cannot answer. */
  async describe(dest: string, { fresh = false }: { fresh?: boolean } = {}): Promise<DestinationInfo> {
    const { clock, embedded, keepMs = 60_000, destinationsMax = 4096 } = this.#options;
    if (embedded) return embeddedInfo(dest);
    const kept = this.#known.get(dest);
    if (!fresh && kept !== undefined && kept.untilMs > clock.monotonic()) return kept.info;
    this.#known.delete(dest);
    const info = await this.#ask(dest);
    this.#known.set(dest, { info, untilMs: clock.monotonic() + keepMs });
    forgetOldest(this.#known, destinationsMax);
    return info;
  }

  invalidate(dest: string): void {
    this.#known.delete(dest);
  }

  /** Documents without signature field in a concrete index, or all of them where that cannot be asked. Refreshes first, if it may. */
  async countUnsigned(index: string): Promise<number> {
    const { asker, embedded } = this.#options;
    const path = `/${encodeURIComponent(index)}`;
    if (embedded) return integerAt(await askOptional(asker, 'GET', `${path}/_count`), 'count') ?? 0;
    await asker.ask('POST', `${path}/_refresh`);
    const query = { bool: { must_not: { exists: { field: 'logseal.chain' } } } };
    return integerAt(await askFor(asker, 'POST', `${path}/_count`, { query }), 'count') ?? 0;
  }

  async #ask(dest: string): Promise<DestinationInfo> {
    const topology = await resolveTopology(this.#options.asker, dest);
    const { settings, mappings, doubt } =
      topology.kind === 'missing' ? await this.#fromTemplates(dest) : await this.#fromIndices(topology);
    const rule = sourceRule(settings, mappings);
    const { writeIndex } = topology;
    return {
      name: dest,
      kind: topology.kind,
      exists: topology.kind !== 'missing',
      dataStream: topology.kind === 'data-stream',
      indices: topology.indices,
      writeIndex,
      ...rule,
      ...(doubt === undefined ? {} : { raw: 'always' as const, rawReasons: [...rule.rawReasons, doubt] }),
      signatureField: worst(mappings.map(signatureFieldState)),
      signatureMapping: additiveMapping(mappings[0] ?? {}),
      documents: writeIndex === undefined ? 0 : await this.#countOnce(writeIndex),
    };
  }

  async #countOnce(index: string): Promise<number> {
    let count = this.#counted.get(index);
    if (count === undefined) {
      count = await this.countUnsigned(index);
      this.#counted.set(index, count);
      forgetOldest(this.#counted, this.#options.destinationsMax ?? 4096);
    }
    return count;
  }

  /** What the write index is; of an alias without one, all that stand behind it, as far as a path can hold them. */
  async #fromIndices({ writeIndex, indices }: Topology): Promise<Blueprint> {
    const names = writeIndex === undefined ? indices.slice(0, 40).map(({ name }) => name) : [writeIndex];
    const path = `/${names.map(encodeURIComponent).join(',')}?flat_settings=true&expand_wildcards=all`;
    // Not `ignore_unavailable`: that leaves closed indices out, as if they did not exist.
    const described = names.length === 0 ? {} : await askFor(this.#options.asker, 'GET', path);
    return {
      settings: Object.assign({}, ...names.map((name) => objectAt(described, name, 'settings') ?? {})),
      mappings: names.map((name) => objectAt(described, name, 'mappings') ?? {}),
      doubt: writeIndex === undefined ? 'no write index is known' : undefined,
    };
  }

  /** What the index would be, were it made now. */
  async #fromTemplates(dest: string): Promise<Blueprint> {
    if (!isPlainName(dest)) return { settings: {}, mappings: [], doubt: 'a name that no index can have' };
    const { asker } = this.#options;
    const path = `/_index_template/_simulate_index/${encodeURIComponent(dest)}`;
    const simulated = objectAt(await askOptional(asker, 'POST', path), 'template');
    // Since 9 a cluster makes these logsdb by itself, and by a setting that no template shows.
    const doubt = /^logs-[^-]+-./.test(dest) ? 'a logs data stream that does not exist yet' : undefined;
    if (simulated !== undefined) {
      const settings = flattened(objectAt(simulated, 'settings') ?? {});
      return { settings, mappings: [objectAt(simulated, 'mappings') ?? {}], doubt };
    }
    const legacy = Object.values((await askOptional(asker, 'GET', '/_template')) ?? {}).filter((template) =>
      textsAt(template, 'index_patterns').some((pattern) => matchesGlob(pattern, dest)),
    );
    const settings = Object.assign({}, ...legacy.map((template) => flattened(objectAt(template, 'settings') ?? {})));
    return { settings, mappings: legacy.map((template) => objectAt(template, 'mappings') ?? {}), doubt };
  }
}

interface Blueprint {
  settings: JsonObject;
  mappings: JsonObject[];
  /** Why `raw` is written whatever these say. */
  doubt: string | undefined;
}

function embeddedInfo(name: string): DestinationInfo {
  return {
    name,
    kind: 'index',
    exists: true,
    dataStream: false,
    indices: [{ name, createdMs: 0, aliasRouting: undefined }],
    writeIndex: name,
    sourceMode: 'stored',
    sourceDisabled: false,
    timeSeries: false,
    raw: 'never-needed',
    rawReasons: [],
    signatureField: 'fits',
    signatureMapping: {},
    documents: 0,
    held: undefined,
  };
}

function worst(states: readonly SignatureFieldState[]): SignatureFieldState {
  if (states.includes('foreign')) return 'foreign';
  return states.length > 0 && states.every((state) => state === 'fits') ? 'fits' : 'absent';
}

/** `{index: {mode: 'logsdb'}}` as `{'index.mode': 'logsdb'}`, values as text. */
function flattened(settings: JsonObject, prefix = ''): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(settings)) {
    if (isObject(value)) Object.assign(flat, flattened(value, `${prefix}${name}.`));
    else flat[prefix + name] = String(value);
  }
  return flat;
}

function forgetOldest<T>(map: Map<string, T>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
