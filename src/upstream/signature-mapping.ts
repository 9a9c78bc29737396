/**
 * The signature field's mapping, and whether an index's mapping takes the field. Pure.
 * Few fields, because an index has a limit of them: what people search by is mapped, the rest of the object is kept in
 * `_source` and nowhere else. Tried on Elasticsearch 9.5.3: unmapped members under `dynamic: false` come back verbatim at any
 * length from stored and from synthetic source (logsdb), with `dynamic: strict` at the root as well.
 */

import type { JsonObject } from './ask.ts';
import { isObject, objectAt, textAt } from './ask.ts';

/** Name of the component template. */
export const signatureComponent = 'logseal-mappings';

const searched = {
  chain: { type: 'keyword', doc_values: false },
  epoch: { type: 'long', doc_values: false },
  seq: { type: 'long', doc_values: false },
  dest: { type: 'keyword', doc_values: false },
} as const;

/** Five fields of the index's limit. */
export const leanMapping = { properties: { logseal: { dynamic: false, properties: searched } } } as const;

const keptText = { type: 'keyword', index: false, doc_values: false } as const;
const keptNumber = { type: 'long', index: false, doc_values: false } as const;

/** Where the root has `subobjects: false`, an object may not differ from it in `dynamic`, so every member is named. */
export const flatMapping = {
  properties: {
    logseal: {
      properties: {
        ...searched,
        v: keptNumber,
        suite: keptNumber,
        type: keptNumber,
        flags: keptNumber,
        index: keptNumber,
        time: keptNumber,
        id: keptText,
        hash: keptText,
        prev: keptText,
        tag: keptText,
        salt: keptText,
        raw: keptText,
        digests: { properties: { crc32: keptText, md5: keptText, sha1: keptText } },
      },
    },
  },
} as const;

/** The mapping to add to an index whose mapping is `mapping`. */
export function additiveMapping(mapping: JsonObject): JsonObject {
  return String(mapping.subobjects) === 'false' ? flatMapping : leanMapping;
}

/** `absent` add it · `fits` documents with the field are taken and given back whole · `foreign` somebody else's field. */
export type SignatureFieldState = 'absent' | 'fits' | 'foreign';

const members = new Set(Object.keys(flatMapping.properties.logseal.properties));
const textTypes = new Set(['keyword', 'text', 'match_only_text']);
const numberTypes = new Set(['long', 'unsigned_long']);

export function signatureFieldState(mapping: JsonObject): SignatureFieldState {
  if (objectAt(mapping, 'runtime') !== undefined && shadowed(objectAt(mapping, 'runtime') ?? {})) return 'foreign';
  const properties = objectAt(mapping, 'properties') ?? {};
  const field = objectAt(properties, 'logseal') ?? dotted(properties);
  if (field === undefined) return 'absent';
  const type = textAt(field, 'type');
  if (type !== undefined && type !== 'object') return 'foreign';
  if (String(field.enabled) === 'false') return 'fits';
  const own = objectAt(field, 'properties') ?? {};
  if (Object.keys(own).some((name) => !members.has(name))) return 'foreign';
  const wrong = Object.entries(own).some(([name, member]) => !takes(name, isObject(member) ? member : {}));
  if (wrong) return 'foreign';
  const complete = ['chain', 'epoch', 'seq', 'dest'].every((name) => own[name] !== undefined);
  const quiet = String(field.dynamic) === 'false' || own.tag !== undefined;
  return complete && quiet ? 'fits' : 'absent';
}

/** A member mapped by ourselves, or by dynamic mapping before we could: either takes our values. */
function takes(name: string, member: JsonObject): boolean {
  const type = textAt(member, 'type');
  if (name === 'digests') return type === undefined || type === 'object';
  const wanted = flatMapping.properties.logseal.properties[name as 'tag'].type;
  return (String(wanted) === 'long' ? numberTypes : textTypes).has(type ?? '');
}

/** Under `subobjects: false` the mapping comes back with dotted names. */
function dotted(properties: JsonObject): JsonObject | undefined {
  const own = Object.entries(properties).filter(([name]) => name.startsWith('logseal.'));
  if (own.length === 0) return undefined;
  const named = own.map(([name, member]) => {
    const rest = name.slice('logseal.'.length);
    return rest.startsWith('digests.') ? ['digests', {}] : [rest, member];
  });
  return { properties: Object.fromEntries(named) };
}

function shadowed(runtime: JsonObject): boolean {
  return Object.keys(runtime).some((name) => name === 'logseal' || name.startsWith('logseal.'));
}
