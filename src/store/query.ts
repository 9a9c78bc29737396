/** The part of the query language that a first try needs: match_all, term, terms, ids, range, exists, prefix and bool of these. */
import { illegalArgument, notImplemented } from './store-error.ts';

export interface Candidate {
  readonly index: string;
  readonly id: string;
  /** The parsed source; asked for only if the query looks inside. */
  document(): unknown;
}

export type Matcher = (candidate: Candidate) => boolean;

/** `undefined` from `compileQuery`: everything matches, nothing need be read. */
export function compileQuery(query: unknown, depth = 0): Matcher | undefined {
  if (query === undefined) return undefined;
  if (depth > 20) throw illegalArgument('the query is nested more than 20 levels deep');
  const [name, body] = onlyMember(query, 'query');
  switch (name) {
    case 'match_all':
      return undefined;
    case 'match_none':
      return () => false;
    case 'term': {
      const [field, value] = onlyMember(body, 'term');
      return equalsAny(field, [isObject(value) ? value.value : value]);
    }
    case 'terms': {
      const [field, values] = onlyMember(body, 'terms');
      if (!Array.isArray(values)) throw illegalArgument('[terms] query needs an array of values');
      return equalsAny(field, values);
    }
    case 'ids': {
      const values = isObject(body) && Array.isArray(body.values) ? body.values : [];
      return equalsAny('_id', values);
    }
    case 'exists': {
      const field = isObject(body) ? String(body.field) : '';
      return ({ document }) => valuesAt(document(), field).some((value) => value !== null);
    }
    case 'prefix': {
      const [field, value] = onlyMember(body, 'prefix');
      const text = String(isObject(value) ? value.value : value);
      return (candidate) =>
        fieldValues(candidate, field).some((found) => typeof found === 'string' && found.startsWith(text));
    }
    case 'range':
      return compileRange(body);
    case 'bool':
      return compileBool(body, depth);
    case 'constant_score':
      return compileQuery(isObject(body) ? body.filter : undefined, depth + 1);
    default:
      throw notImplemented(`[${name}] query`);
  }
}

/** All values on a dotted path, arrays opened; a dot in a name and a step into an object are the same. */
export function valuesAt(node: unknown, path: string): unknown[] {
  if (Array.isArray(node)) return node.flatMap((element) => valuesAt(element, path));
  if (path === '') return [node];
  if (!isObject(node)) return [];
  const found: unknown[] = [];
  for (let dot = path.indexOf('.'); ; dot = path.indexOf('.', dot + 1)) {
    const end = dot < 0 ? path.length : dot;
    const name = path.slice(0, end);
    if (Object.hasOwn(node, name)) found.push(...valuesAt(node[name], path.slice(end + 1)));
    if (dot < 0) return found;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fieldValues(candidate: Candidate, field: string): unknown[] {
  if (field === '_id') return [candidate.id];
  if (field === '_index') return [candidate.index];
  const values = valuesAt(candidate.document(), field);
  // Default mappings of Elasticsearch give every text a sub-field of this name.
  if (values.length === 0 && field.endsWith('.keyword'))
    return valuesAt(candidate.document(), field.slice(0, -'.keyword'.length));
  return values;
}

function equalsAny(field: string, wanted: readonly unknown[]): Matcher {
  const texts = new Set(wanted.map(String));
  return (candidate) => fieldValues(candidate, field).some((value) => !isObject(value) && texts.has(String(value)));
}

function compileRange(body: unknown): Matcher {
  const [field, bounds] = onlyMember(body, 'range');
  if (!isObject(bounds)) throw illegalArgument('[range] query needs bounds');
  const tests = Object.entries(bounds).flatMap(([operator, bound]) => {
    if (operator === 'format' || operator === 'boost') return [];
    if (typeof bound === 'string' && /^now|\|\|/.test(bound)) throw notImplemented('date math');
    switch (operator) {
      case 'gt':
        return [(value: unknown) => compare(value, bound) > 0];
      case 'gte':
        return [(value: unknown) => compare(value, bound) >= 0];
      case 'lt':
        return [(value: unknown) => compare(value, bound) < 0];
      case 'lte':
        return [(value: unknown) => compare(value, bound) <= 0];
      default:
        throw notImplemented(`[${operator}] in a range query`);
    }
  });
  return (candidate) =>
    fieldValues(candidate, field).some((value) => value !== null && tests.every((test) => test(value)));
}

/** Numbers as numbers, dates as instants, all else as text; NaN if they cannot be compared, and then no bound holds. */
export function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' || typeof b === 'number') return instant(a) - instant(b);
  const difference = instant(a) - instant(b);
  if (!Number.isNaN(difference)) return difference;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}

function instant(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return Number.NaN;
  return /^-?[0-9.]+$/.test(value) ? Number(value) : /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : Number.NaN;
}

function compileBool(body: unknown, depth: number): Matcher {
  if (!isObject(body)) throw illegalArgument('[bool] query needs clauses');
  const clauses = (name: string): Matcher[] => {
    const value = body[name] ?? [];
    return (Array.isArray(value) ? value : [value]).map((query) => compileQuery(query, depth + 1) ?? (() => true));
  };
  const all = [...clauses('must'), ...clauses('filter')];
  const none = clauses('must_not');
  const some = clauses('should');
  const least = Number(body.minimum_should_match ?? (all.length === 0 && some.length > 0 ? 1 : 0));
  return (candidate) =>
    all.every((matches) => matches(candidate)) &&
    !none.some((matches) => matches(candidate)) &&
    (least === 0 || some.filter((matches) => matches(candidate)).length >= least);
}

function onlyMember(value: unknown, what: string): [string, unknown] {
  const entries = isObject(value) ? Object.entries(value).filter(([name]) => name !== 'boost') : [];
  const [entry] = entries;
  if (entry === undefined || entries.length !== 1) throw illegalArgument(`[${what}] malformed, expected one member`);
  return entry;
}
