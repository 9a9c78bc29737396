/**
 * Puts the signature field's mapping into the templates that make signed indices, so that an index that rolls over has it from
 * its first document, and takes it out again. Works on templates as it finds them: the component `logseal-mappings` goes into
 * a user's template, or its field into the `@custom` component that somebody else's template keeps for that.
 * Must never write a template with a pattern `*`, and never one that it cannot undo.
 */

import { matchesGlob } from '../lib/glob.ts';
import type { Asker, JsonObject } from './ask.ts';
import { askFor, askOptional, denied, isObject, objectAt, objectsAt, refusal, textAt, textsAt } from './ask.ts';
import { leanMapping, signatureComponent } from './signature-mapping.ts';
import { systemTemplate, systemTemplateBody } from './system-indices.ts';

/** `done` the next index of that name has the mapping · `none` no template makes such an index · `advice` what a person can do. */
export type Composition = { kind: 'done' | 'none' } | { kind: 'advice'; template: string; text: string };

const ownTemplates = [
  ['_index_template', systemTemplate],
  ['_component_template', signatureComponent],
] as const;

interface NamedTemplate {
  name: string;
  body: JsonObject;
}

export class Templates {
  readonly #asker: Asker;

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  /**
   * Writes the component and the template of our own indices. Throws UPSTREAM_DENIED without the right to. Returns why the
   * second was refused: it is a help only.
   */
  async install(): Promise<string | undefined> {
    await this.#put(`/_component_template/${signatureComponent}`, {
      template: { mappings: leanMapping },
      _meta: { managed_by: 'logseal', description: 'The field that Logseal puts into signed documents' },
    });
    return this.#tryPut(`/_index_template/${systemTemplate}`, systemTemplateBody());
  }

  /** Sees to the template that would make index or data stream `name`. `mayWrite` false: only says what is to be done. */
  async compose(name: string, mayWrite: boolean): Promise<Composition> {
    const winner = await this.templateOf(name);
    if (winner === undefined) return { kind: 'none' };
    const [template = winner] = await this.#indexTemplates(`/${encodeURIComponent(winner.name)}`);
    const components = textsAt(template.body, 'composed_of');
    if (components.includes(signatureComponent)) return { kind: 'done' };
    const hook = components.find((component) => component.endsWith('@custom'));
    const managed = hook !== undefined || objectAt(template.body, '_meta')?.managed === true;
    if (managed && hook === undefined) {
      return advice(template.name, 'it is managed by somebody else and has no @custom component');
    }
    if (hook !== undefined && (await this.#componentHasField(hook))) return { kind: 'done' };
    if (!mayWrite) {
      const what = hook === undefined ? `add ${signatureComponent} to its composed_of` : `add the field to ${hook}`;
      return advice(template.name, what);
    }
    const failed = hook === undefined ? await this.#addComponent(template) : await this.#addToHook(hook);
    return failed === undefined ? { kind: 'done' } : advice(template.name, failed);
  }

  /** Names of what `install` and `compose` did, in the order in which `remove` undoes it. Changes nothing. */
  async list(): Promise<string[]> {
    const { composed, hooks } = await this.#changed();
    const own = [];
    for (const [kind, name] of ownTemplates) {
      if ((await askOptional(this.#asker, 'GET', `/${kind}/${name}`)) !== undefined) own.push(name);
    }
    return [...composed.map(({ name }) => name), ...hooks.map(({ name }) => name), ...own];
  }

  /** Undoes everything that `install` and `compose` did. Returns the names of what was changed. Indices keep their mapping. */
  async remove(): Promise<string[]> {
    const changed: string[] = [];
    const { composed, hooks } = await this.#changed();
    for (const { name, body } of composed) {
      const rest = textsAt(body, 'composed_of').filter((component) => component !== signatureComponent);
      await this.#put(`/_index_template/${encodeURIComponent(name)}`, { ...body, composed_of: rest });
      changed.push(name);
    }
    for (const { name, body } of hooks) {
      await this.#takeOut(name, body, objectAt(body, '_meta')?.logseal === 'created');
      changed.push(name);
    }
    for (const [kind, name] of ownTemplates) {
      const answer = await this.#asker.ask('DELETE', `/${kind}/${name}`);
      if (answer.status < 300) changed.push(name);
      else if (answer.status !== 404) throw denied(answer, `DELETE /${kind}/${name}`);
    }
    return changed;
  }

  /** Templates that are composed of our component, and component templates of others that we put the field into. */
  async #changed(): Promise<{ composed: NamedTemplate[]; hooks: NamedTemplate[] }> {
    const templates = await this.#indexTemplates();
    const composed = templates.filter(({ body }) => textsAt(body, 'composed_of').includes(signatureComponent));
    const components = objectsAt(await askFor(this.#asker, 'GET', '/_component_template'), 'component_templates');
    const named = components.map((one) => ({
      name: textAt(one, 'name') ?? '',
      body: withoutDates(objectAt(one, 'component_template') ?? {}),
    }));
    const isMarked = ({ body }: NamedTemplate) => ['created', 'added'].includes(textAt(body._meta, 'logseal') ?? '');
    return { composed, hooks: named.filter(isMarked) };
  }

  /** The index template that wins for a name: highest priority of those that match. */
  async templateOf(name: string): Promise<NamedTemplate | undefined> {
    // Without their mappings, which may be megabytes.
    const parts = ['index_patterns', 'priority', 'composed_of', 'data_stream', 'allow_auto_create', '_meta'];
    const wanted = ['name', ...parts.map((part) => `index_template.${part}`)].map((part) => `index_templates.${part}`);
    const all = await this.#indexTemplates(`?filter_path=${wanted.join(',')}`);
    const matching = all.filter(({ body }) =>
      textsAt(body, 'index_patterns').some((pattern) => matchesGlob(pattern, name)),
    );
    const priority = ({ body }: NamedTemplate) => Number(body.priority ?? 0);
    return matching.sort((a, b) => priority(b) - priority(a))[0];
  }

  /** `end` of the path: which of them, and what of each. */
  async #indexTemplates(end = ''): Promise<NamedTemplate[]> {
    const all = objectsAt(await askOptional(this.#asker, 'GET', `/_index_template${end}`), 'index_templates');
    return all.map((one) => ({
      name: textAt(one, 'name') ?? '',
      body: withoutDates(objectAt(one, 'index_template') ?? {}),
    }));
  }

  async #componentHasField(name: string): Promise<boolean> {
    const component = await this.#component(name);
    return objectAt(component, 'template', 'mappings', 'properties', 'logseal') !== undefined;
  }

  async #component(name: string): Promise<JsonObject | undefined> {
    const answer = await askOptional(this.#asker, 'GET', `/_component_template/${encodeURIComponent(name)}`);
    const found = objectsAt(answer, 'component_templates').find((one) => textAt(one, 'name') === name);
    return found === undefined ? undefined : withoutDates(objectAt(found, 'component_template') ?? {});
  }

  /** At the front: what the user's own components say about the field wins. */
  async #addComponent({ name, body }: NamedTemplate): Promise<string | undefined> {
    const composed = [signatureComponent, ...textsAt(body, 'composed_of')];
    const path = `/_index_template/${encodeURIComponent(name)}`;
    return this.#tryPut(path, { ...body, composed_of: composed });
  }

  async #addToHook(name: string): Promise<string | undefined> {
    const old = await this.#component(name);
    const template = objectAt(old, 'template') ?? {};
    const mappings = objectAt(template, 'mappings') ?? {};
    const properties = { ...objectAt(mappings, 'properties'), ...leanMapping.properties };
    return this.#tryPut(`/_component_template/${encodeURIComponent(name)}`, {
      ...old,
      template: { ...template, mappings: { ...mappings, properties } },
      _meta: { ...objectAt(old, '_meta'), logseal: old === undefined ? 'created' : 'added' },
    });
  }

  async #takeOut(name: string, body: JsonObject, created: boolean): Promise<void> {
    const template = objectAt(body, 'template') ?? {};
    const mappings = objectAt(template, 'mappings') ?? {};
    const { logseal: _field, ...properties } = objectAt(mappings, 'properties') ?? {};
    const { logseal: _mark, ...meta } = objectAt(body, '_meta') ?? {};
    const path = `/_component_template/${encodeURIComponent(name)}`;
    const { properties: _old, ...otherMappings } = mappings;
    const rest = { ...otherMappings, ...(isEmpty(properties) ? {} : { properties }) };
    const { mappings: _mappings, ...otherParts } = template;
    const left = { ...otherParts, ...(isEmpty(rest) ? {} : { mappings: rest }) };
    if (created && isEmpty(left)) {
      const answer = await this.#asker.ask('DELETE', path);
      // A template that names it without ignoring its absence keeps it: then it stays, empty.
      if (answer.status < 300 || answer.status === 404) return;
    }
    const { _meta: _all, ...others } = body;
    await this.#put(path, { ...others, template: left, ...(isEmpty(meta) ? {} : { _meta: meta }) });
  }

  async #put(path: string, body: JsonObject): Promise<void> {
    const answer = await this.#asker.ask('PUT', path, body);
    if (answer.status >= 300) throw denied(answer, `PUT ${path}`);
  }

  /** As `#put`, but a no is an answer: the reason. */
  async #tryPut(path: string, body: JsonObject): Promise<string | undefined> {
    const answer = await this.#asker.ask('PUT', path, body);
    if (answer.status < 300) return undefined;
    if (answer.status >= 500 || answer.status === 429) throw denied(answer, `PUT ${path}`);
    return refusal(answer)?.reason ?? 'refused without a reason';
  }
}

function advice(template: string, text: string): Composition {
  return { kind: 'advice', template, text: `index template ${template}: ${text}` };
}

/** What the server adds to a template and does not take back. */
function withoutDates(body: JsonObject): JsonObject {
  const dates = /^(created|modified)_date(_millis)?$/;
  return Object.fromEntries(Object.entries(body).filter(([name]) => !dates.test(name)));
}

function isEmpty(value: unknown): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}
