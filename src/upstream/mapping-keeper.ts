/**
 * Sees to it that a destination takes the signature field before its first signed document: through the template that makes
 * it, or by adding to the mapping of the index that is there. Says why where that cannot be; the destination is held then.
 * Must never change a field of the user's.
 */
import type { Clock } from '../lib/clock.ts';
import type { Asker } from './ask.ts';
import { askOptional, denied, isObject, objectAt, refusal, textAt } from './ask.ts';
import type { JsonAnswer } from './connection.ts';
import type { DestinationBook, DestinationInfo } from './destination.ts';
import { ensureSystemIndex, isSystemIndex } from './system-indices.ts';
import { mayAutoCreate } from './template-pattern.ts';
import type { Templates } from './templates.ts';

export type MappingState = { ok: true } | { ok: false; reason: string };

export type TemplatesMode = 'compose' | 'advise' | 'off';

export interface MappingKeeperOptions {
  asker: Asker;
  clock: Clock;
  embedded: boolean;
  mode: TemplatesMode;
  book: DestinationBook;
  templates: Templates;
  /** What a person should know; told once for each template and text. */
  advise: (template: string, text: string) => void;
}

const composeAgainMs = 600_000;
const systemKeptMs = 60_000;

export class MappingKeeper {
  readonly #options: MappingKeeperOptions;
  #installed = false;
  /** When it was last seen to; somebody may delete an index of ours while we run. Monotonic, milliseconds. */
  readonly #system = new Map<string, number>();
  readonly #composed = new Map<string, number>();
  readonly #told = new Set<string>();

  constructor(options: MappingKeeperOptions) {
    this.#options = options;
  }

  /** Throws UPSTREAM_REFUSED or UPSTREAM_UNKNOWN without an answer, UPSTREAM_DENIED without the right to look. */
  async ensureSignatureMapping(dest: string): Promise<MappingState> {
    const { asker, embedded, book, clock } = this.#options;
    if (embedded) return { ok: true };
    await this.#compose(dest);
    if (isSystemIndex(dest)) {
      const seenMs = this.#system.get(dest) ?? Number.NEGATIVE_INFINITY;
      if (seenMs > clock.monotonic() - systemKeptMs) return { ok: true };
      const reason = await ensureSystemIndex(asker, dest);
      if (reason !== undefined) return { ok: false, reason };
      this.#system.set(dest, clock.monotonic());
      return { ok: true };
    }
    let info = await book.describe(dest);
    if (info.signatureField === 'fits') return { ok: true };
    // The minute's old answer may be from before a template or a mapping was mended.
    info = await book.describe(dest, { fresh: true });
    if (info.signatureField === 'fits') return { ok: true };
    if (info.signatureField === 'foreign') return foreign(info);
    if (!info.exists) {
      const reason = await this.#create(info);
      if (reason !== undefined) return { ok: false, reason };
      info = await book.describe(dest, { fresh: true });
      if (info.signatureField === 'fits') return { ok: true };
    }
    return this.#add(info);
  }

  /** After an item error that names the field: what was known is wrong. */
  forget(dest: string): void {
    this.#system.delete(dest);
    this.#composed.delete(dest);
    this.#options.book.invalidate(dest);
  }

  async #add(info: DestinationInfo): Promise<MappingState> {
    const { asker, book } = this.#options;
    if (info.writeIndex === undefined) return { ok: false, reason: `${info.name} has no write index` };
    const path = `/${encodeURIComponent(info.writeIndex)}/_mapping`;
    const answer = await asker.ask('PUT', path, info.signatureMapping);
    book.invalidate(info.name);
    if (answer.status < 300) return { ok: true };
    if (answer.status >= 500 || answer.status === 429) throw denied(answer, `PUT ${path}`);
    return { ok: false, reason: sentence(info.writeIndex, answer) };
  }

  /** As the first document would, but with the mapping before it. Returns why not. */
  async #create({ name: dest, signatureMapping }: DestinationInfo): Promise<string | undefined> {
    const { asker, templates } = this.#options;
    const template = await templates.templateOf(dest);
    const allowed = template?.body.allow_auto_create ?? mayAutoCreate(await autoCreateSetting(asker), dest);
    if (allowed !== true)
      return `${dest} does not exist, and the cluster does not allow it to be created automatically`;
    const stream = isObject(template?.body.data_stream);
    const path = stream ? `/_data_stream/${encodeURIComponent(dest)}` : `/${encodeURIComponent(dest)}`;
    // An index that no template makes gets its mapping in the same step, before anybody's first document.
    const body = !stream && template === undefined ? { mappings: signatureMapping } : undefined;
    const answer = await asker.ask('PUT', path, body);
    if (answer.status < 300 || refusal(answer)?.type === 'resource_already_exists_exception') return undefined;
    if (answer.status >= 500 || answer.status === 429) throw denied(answer, `PUT ${path}`);
    return `${dest} does not exist and cannot be created: ${refusal(answer)?.reason ?? 'no reason given'}`;
  }

  /** Templates are a help for the next index; whatever goes wrong with them holds nothing up. */
  async #compose(dest: string): Promise<void> {
    const { clock, mode, templates, book } = this.#options;
    if (mode === 'off' || (this.#composed.get(dest) ?? Number.NEGATIVE_INFINITY) > clock.monotonic() - composeAgainMs)
      return;
    if (this.#composed.size > 4096) this.#composed.clear();
    this.#composed.set(dest, clock.monotonic());
    try {
      if (mode === 'compose' && !this.#installed) {
        const refused = await templates.install();
        if (refused !== undefined) this.#tell('logseal-system', `index template logseal-system: ${refused}`);
        this.#installed = true;
      }
      if (isSystemIndex(dest)) return;
      // The next index of an alias is made by the template for its indices' names.
      const { kind, writeIndex } = await book.describe(dest);
      const name = kind === 'alias' && writeIndex !== undefined ? madeAs(writeIndex) : dest;
      const composition = await templates.compose(name, mode === 'compose');
      if (composition.kind === 'advice') this.#tell(composition.template, composition.text);
      if (kind === 'missing') book.invalidate(dest);
    } catch (error) {
      this.#composed.delete(dest);
      this.#tell('', error instanceof Error ? error.message : 'templates cannot be read');
    }
  }

  #tell(template: string, text: string): void {
    const key = `${template}\n${text}`;
    if (this.#told.has(key) || this.#told.size > 1000) return;
    this.#told.add(key);
    this.#options.advise(template, text);
  }
}

/** The name whose template made an index: a backing index is made under its data stream's. */
function madeAs(index: string): string {
  return /^\.ds-(.+?)(?:-\d{4}\.\d{2}\.\d{2})?-\d{6}$/.exec(index)?.[1] ?? index;
}

function foreign(info: DestinationInfo): MappingState {
  const where = info.writeIndex ?? `the template of ${info.name}`;
  return {
    ok: false,
    reason: `${where} maps a field logseal of its own; rename that field, or send signed records elsewhere`,
  };
}

function sentence(index: string, answer: JsonAnswer): string {
  const reason = refusal(answer)?.reason ?? 'no reason given';
  if (reason.includes('Limit of total fields')) {
    return `${index} has no room for the 5 fields of the signature (${reason}); raise index.mapping.total_fields.limit`;
  }
  return `${index} does not take the signature field's mapping: ${reason}`;
}

async function autoCreateSetting(asker: Asker): Promise<string | undefined> {
  const path = '/_cluster/settings?include_defaults=true&filter_path=*.action.auto_create_index';
  const settings = await askOptional(asker, 'GET', path);
  for (const level of ['transient', 'persistent', 'defaults']) {
    const value = textAt(objectAt(settings, level, 'action'), 'auto_create_index');
    if (value !== undefined) return value;
  }
  return undefined;
}
