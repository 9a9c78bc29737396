/** The JSON schema of the configuration file, made from the list of settings; editors and the check at start use the same. */
import type { Setting } from './settings.ts';
import { settingKeys, settings } from './settings.ts';
import { durationPattern, endpointPattern, sizePattern } from './units.ts';

export type JsonSchema = { readonly [keyword: string]: unknown };

/** Nested as the file is: a group of settings is an object, `additionalProperties: false` everywhere. */
export function configSchema(): JsonSchema {
  const groups = new Map<string, Record<string, JsonSchema>>([['', {}]]);
  for (const key of settingKeys) {
    const dot = key.lastIndexOf('.');
    const group = dot < 0 ? '' : key.slice(0, dot);
    const members = groups.get(group) ?? {};
    members[key.slice(dot + 1)] = { description: settings[key].reason, ...valueSchema(settings[key]) };
    groups.set(group, members);
  }
  const properties: Record<string, JsonSchema> = { ...groups.get('') };
  for (const [group, members] of groups) {
    // A group whose members are all commented out is null in YAML.
    if (group !== '')
      properties[group] = { type: ['object', 'null'], additionalProperties: false, properties: members };
  }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Logseal configuration',
    type: 'object',
    additionalProperties: false,
    properties,
  };
}

/** Schema of one value as it stands in the file. */
function valueSchema(setting: Setting): JsonSchema {
  const nonEmpty = { type: 'string', minLength: 1 };
  const list = { type: 'array', items: nonEmpty };
  switch (setting.type) {
    case 'text':
    case 'path':
    case 'secret':
      return setting.default === null ? { type: ['string', 'null'], minLength: 1 } : nonEmpty;
    case 'endpoint':
      return { type: 'string', pattern: endpointPattern };
    case 'urls':
    case 'paths':
    case 'secrets':
    case 'patterns':
      return { anyOf: [nonEmpty, list] };
    case 'choice':
      return { enum: setting.choices };
    case 'choices':
      return { type: 'array', uniqueItems: true, items: { enum: setting.choices } };
    case 'rules':
      return {
        type: 'array',
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['pattern', 'chain'],
          properties: { pattern: nonEmpty, chain: nonEmpty },
        },
      };
    case 'flag':
      return { type: 'boolean' };
    case 'count':
      return { type: 'integer', minimum: setting.min, maximum: setting.max };
    case 'size':
      return { type: 'string', pattern: sizePattern };
    case 'duration':
      return { type: 'string', pattern: durationPattern };
  }
}
