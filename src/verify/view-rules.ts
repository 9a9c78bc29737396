/**
 * What Elasticsearch makes of a value in a field of a type: the rules by which a signed value and the one seen in synthetic `_source`
 * are the same.
 *
 * Owns one rule a type. Each gives a key for a leaf, the same key for the same stored value; undefined where the engine keeps the value
 * as it came (malformed), null where it keeps nothing. A type without a rule is not compared.
 */
import type { JsonObject } from '../upstream/ask.ts';
import { textAt } from '../upstream/ask.ts';
import { dateRule, defaultFormat } from './view-date.ts';
import { addressKey } from './view-ip.ts';
import type { Tree } from './view-tree.ts';
import { Decimal, decimalKey } from './view-tree.ts';

export type Leaf = string | boolean | Decimal;

/** `coerce`: the value as it was signed; otherwise as it is seen, which the engine has already made what it is. */
export type FieldRule = (value: Leaf, coerce: boolean) => string | undefined | null;

const textTypes: ReadonlySet<string> = new Set([
  'keyword',
  'constant_keyword',
  'wildcard',
  'text',
  'match_only_text',
  'pattern_text',
  'search_as_you_type',
  'flattened',
  'version',
]);

/** Integers by type: smallest and largest value. */
const integerRanges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  byte: [-128n, 127n],
  short: [-32_768n, 32_767n],
  integer: [-(2n ** 31n), 2n ** 31n - 1n],
  long: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** Undefined for a type, or a field of it, without a rule. */
export function fieldRule(type: string, field: JsonObject): FieldRule | undefined {
  if (textTypes.has(type)) return field.normalizer === undefined ? textRule : undefined;
  const range = integerRanges[type];
  if (range !== undefined) return integerRule(range);
  switch (type) {
    case 'unsigned_long':
      return unsignedRule;
    case 'double':
      return realRule((value) => value);
    case 'float':
      return realRule(Math.fround);
    case 'half_float':
      return realRule(halfFloat);
    case 'scaled_float':
      return scaledRule(Number(field.scaling_factor));
    case 'boolean':
      return booleanRule;
    case 'ip':
      return (value) => (typeof value === 'string' ? tagged('ip', addressKey(value)) : undefined);
    case 'date':
    case 'date_nanos':
      return instantRule(textAt(field, 'format') ?? defaultFormat, type === 'date_nanos');
    default:
      return undefined;
  }
}

/** A leaf that no rule has changed: its type, and its exact value as far as the engine keeps it. */
export function plainKey(value: Leaf): string {
  if (typeof value === 'string') return `s${value.toWellFormed()}`;
  if (typeof value === 'boolean') return `b${value}`;
  if (value.isIntegerToken) return `n${value.key}`;
  const double = Number(value.text);
  return Number.isFinite(double) ? `n${decimalKey(String(double))}` : `n${value.key}`;
}

export function isLeaf(value: Tree): value is Leaf {
  return typeof value === 'string' || typeof value === 'boolean' || value instanceof Decimal;
}

function textRule(value: Leaf): string {
  if (typeof value === 'string') return `s${value.toWellFormed()}`;
  return `s${value instanceof Decimal ? value.text : String(value)}`;
}

function booleanRule(value: Leaf, coerce: boolean): string | undefined {
  if (typeof value === 'boolean') return `b${value}`;
  if (!coerce || typeof value !== 'string') return undefined;
  if (value === 'true') return 'btrue';
  return value === 'false' || value === '' ? 'bfalse' : undefined;
}

const numberText = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

/** The digits of a number or, while coercing, of a text that holds one; null for the empty text, which counts as none. */
function numberIn(value: Leaf, coerce: boolean): string | undefined | null {
  if (value instanceof Decimal) return value.text;
  if (!coerce || typeof value !== 'string') return undefined;
  const text = value.trim();
  if (text === '') return value === '' ? null : undefined;
  return numberText.test(text) ? text : undefined;
}

function integerRule([smallest, largest]: readonly [bigint, bigint]): FieldRule {
  return (value, coerce) => {
    const text = numberIn(value, coerce);
    if (typeof text !== 'string') return text;
    if (!coerce) return `n${decimalKey(text)}`;
    const whole = wholeOf(text);
    return whole === undefined || whole < smallest || whole > largest ? undefined : `n${decimalKey(String(whole))}`;
  };
}

/** Digits alone are exact; a fraction or exponent goes through a double and loses its fraction. */
function wholeOf(text: string): bigint | undefined {
  if (/^[+-]?[0-9]{1,40}$/.test(text)) return BigInt(text.replace(/^\+/, ''));
  const double = Math.trunc(Number(text));
  return Number.isFinite(double) ? BigInt(double) : undefined;
}

const unsignedMax = 2n ** 64n - 1n;

function unsignedRule(value: Leaf, coerce: boolean): string | undefined | null {
  const text = numberIn(value, coerce);
  if (typeof text !== 'string' || !coerce) return typeof text === 'string' ? `n${decimalKey(text)}` : text;
  const key = decimalKey(text);
  const isWhole = key === '0' || /^[0-9]+e[0-9]{1,2}$/.test(key);
  if (!isWhole) return undefined;
  const [digits = '0', power = '0'] = key.split('e');
  return BigInt(digits) * 10n ** BigInt(power) <= unsignedMax ? `n${key}` : undefined;
}

function realRule(rounded: (value: number) => number): FieldRule {
  return (value, coerce) => {
    const text = numberIn(value, coerce);
    if (typeof text !== 'string') return text;
    const real = rounded(Number(text));
    return Number.isFinite(real) ? `r${real === 0 ? 0 : real}` : undefined;
  };
}

function scaledRule(factor: number): FieldRule | undefined {
  if (!(factor > 0)) return undefined;
  return realRule((value) => Math.round(value * factor));
}

/** To the nearest of sixteen bits, ties to even, by way of a float as Lucene does. */
function halfFloat(value: number): number {
  const single = Math.fround(value);
  const magnitude = Math.abs(single);
  if (!Number.isFinite(single) || magnitude >= 65_520) return single > 0 ? Infinity : -Infinity;
  // Sixteen-bit floats have eleven bits of precision, and below 2^-14 a fixed step of 2^-24.
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  const step = 2 ** (exponent - 10);
  const steps = single / step;
  const floor = Math.floor(steps);
  const rest = steps - floor;
  const even = floor % 2 === 0 ? floor : floor + 1;
  return (rest < 0.5 ? floor : rest > 0.5 ? floor + 1 : even) * step;
}

function instantRule(format: string, nanoseconds: boolean): FieldRule | undefined {
  const rule = dateRule(format, nanoseconds);
  // Where some format is not known, a value that none of the others takes may still be a date.
  if (rule.partial) return undefined;
  return (value, coerce) => {
    if (typeof value === 'boolean') return undefined;
    return tagged('d', rule.key(typeof value === 'string' ? value : value.text, coerce));
  };
}

function tagged(tag: string, key: string | undefined): string | undefined {
  return key === undefined ? undefined : `${tag}${key}`;
}
