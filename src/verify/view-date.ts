/**
 * Dates as Elasticsearch reads them: the instant that a text means under the formats of a mapping.
 *
 * Owns the ISO forms, both epochs, and patterns of year, month, day, hour, minute, second, fraction and offset. A format with anything
 * else (month names, weeks, locales) has no rule here, and its field is not compared.
 */

/** Milliseconds since 1970, and the nanoseconds that go on top; undefined for a text that the format refuses. */
type Reader = (text: string) => Instant | undefined;

interface Instant {
  ms: number;
  nanos: number;
}

export interface DateRule {
  /**
   * The same text for the same instant at the field's resolution; undefined if no format takes it. `shown`: cut off to what the first
   * format shows, in which the engine writes the value.
   */
  key(text: string, shown: boolean): string | undefined;
  /** Some format has no rule, so a text that is not taken says nothing. */
  partial: boolean;
}

const iso =
  /^([+-]?\d{4,9})(?:-(\d{1,2})(?:-(\d{1,2}))?)?(?:[T ](?:(\d{1,2})(?::?(\d{1,2})(?::?(\d{1,2})(?:[.,](\d{1,9}))?)?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/;
const basic = /^(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})(?:[.,](\d{1,9}))?(Z|[+-]\d{2}:?\d{2})?)?$/;
const isoNames =
  /^(?:strict_)?(?:date_optional_time(?:_nanos)?|date_time(?:_no_millis)?|date|year_month(?:_day)?|year|date_hour(?:_minute(?:_second(?:_(?:fraction|millis))?)?)?|iso8601)$/;
const basicNames = /^basic_(?:date|date_time|date_time_no_millis)$/;

export const defaultFormat = 'strict_date_optional_time||epoch_millis';

export function dateRule(format: string, nanoseconds: boolean): DateRule {
  const names = format.split('||').map((name) => name.trim());
  const readers = names.map(readerOf);
  const known = readers.filter((reader) => reader !== undefined);
  const shownTo = shownResolution(names[0] ?? '');
  return {
    partial: known.length < readers.length,
    key(text, shown) {
      for (const reader of known) {
        const read = reader(text);
        if (read === undefined) continue;
        const { ms, nanos } = shown ? cutOff(read, shownTo) : read;
        return nanoseconds ? `${ms}+${nanos}` : String(ms);
      }
      return undefined;
    },
  };
}

type Resolution = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | number;

/** Digits of a fraction where it is a number. */
function shownResolution(name: string): Resolution {
  const bare = name.replace(/^strict_/, '').replace(/^basic_/, '');
  if (/^(?:date_optional_time|epoch_|iso8601)/.test(bare)) return 9;
  if (bare === 'date_time_no_millis') return 'second';
  if (bare === 'date_time') return 3;
  if (bare === 'date' || bare.endsWith('_day')) return 'day';
  for (const unit of ['year', 'month', 'hour', 'minute', 'second'] as const) if (bare.endsWith(unit)) return unit;
  if (/_(?:fraction|millis)$/.test(bare)) return 3;
  const unquoted = name.replace(/'[^']*'/g, '');
  const fraction = /S+/.exec(unquoted)?.[0];
  if (fraction !== undefined) return fraction.length;
  const finest = [...'smHdM'].find((letter) => unquoted.includes(letter));
  return ({ s: 'second', m: 'minute', H: 'hour', d: 'day', M: 'month' } as const)[finest as 's'] ?? 'year';
}

const unitMs = { day: 86_400_000, hour: 3_600_000, minute: 60_000, second: 1000 } as const;

function cutOff({ ms, nanos }: Instant, to: Resolution): Instant {
  if (typeof to === 'number') {
    if (to >= 9) return { ms, nanos };
    const step = 10 ** (9 - to);
    const second = Math.floor(ms / 1000) * 1000;
    const kept = Math.floor(((ms - second) * 1e6 + nanos) / step) * step;
    return { ms: second + Math.floor(kept / 1e6), nanos: kept % 1e6 };
  }
  if (to !== 'year' && to !== 'month') return { ms: Math.floor(ms / unitMs[to]) * unitMs[to], nanos: 0 };
  const date = new Date(ms);
  date.setUTCHours(0, 0, 0, 0);
  date.setUTCDate(1);
  if (to === 'year') date.setUTCMonth(0);
  return { ms: date.getTime(), nanos: 0 };
}

function readerOf(name: string): Reader | undefined {
  if (name === 'epoch_millis') return (text) => readEpoch(text, 1);
  if (name === 'epoch_second') return (text) => readEpoch(text, 1000);
  if (isoNames.test(name)) return (text) => readFields(iso.exec(text));
  if (basicNames.test(name)) return (text) => readFields(basic.exec(text));
  return /[_]/.test(name) ? undefined : patternReader(name);
}

/** A number of milliseconds or seconds, with a fraction. */
function readEpoch(text: string, unitMs: number): Instant | undefined {
  const parts = /^(-?)(\d{1,16})(?:\.(\d{1,9}))?$/.exec(text);
  if (parts === null) return undefined;
  const [, sign = '', whole = '0', fraction = ''] = parts;
  const nanosOfUnit = Number(fraction.padEnd(9, '0')) * (unitMs === 1 ? 1e-3 : 1);
  const nanos = Math.floor(nanosOfUnit);
  const ms = Number(whole) * unitMs + Math.floor(nanos / 1e6);
  return sign === '-' ? before(ms, nanos % 1e6) : { ms, nanos: nanos % 1e6 };
}

/** The instant as far before 1970. */
function before(ms: number, nanos: number): Instant {
  return nanos === 0 ? { ms: 0 - ms, nanos: 0 } : { ms: -ms - 1, nanos: 1e6 - nanos };
}

function readFields(parts: RegExpExecArray | null): Instant | undefined {
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, offset] = parts;
  return instantOf({ year, month, day, hour, minute, second, fraction, offset });
}

type Fields = Partial<
  Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'fraction' | 'offset', string | undefined>
>;

function instantOf(fields: Fields): Instant | undefined {
  const number = (text: string | undefined, otherwise: number) => (text === undefined ? otherwise : Number(text));
  const [month, day] = [number(fields.month, 1), number(fields.day, 1)];
  const [hour, minute, second] = [number(fields.hour, 0), number(fields.minute, 0), number(fields.second, 0)];
  const date = new Date(0);
  date.setUTCFullYear(number(fields.year, 1970), month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 24 || minute > 59 || second > 59) {
    return undefined;
  }
  const nanosOfSecond = Number((fields.fraction ?? '').padEnd(9, '0'));
  const ms = date.getTime() + hour * 3_600_000 + minute * 60_000 + second * 1000 - offsetMs(fields.offset);
  return { ms: ms + Math.floor(nanosOfSecond / 1e6), nanos: nanosOfSecond % 1e6 };
}

function offsetMs(offset: string | undefined): number {
  const parts = /^([+-])(\d{2}):?(\d{2})?$/.exec(offset ?? '');
  if (parts === null) return 0;
  const ms = (Number(parts[2]) * 60 + Number(parts[3] ?? 0)) * 60_000;
  return parts[1] === '-' ? -ms : ms;
}

const letters: Readonly<Record<string, readonly [name: keyof Fields, digits: (count: number) => string]>> = {
  y: ['year', (count) => (count === 4 ? '\\d{4}' : '\\d{1,9}')],
  u: ['year', (count) => (count === 4 ? '\\d{4}' : '\\d{1,9}')],
  M: ['month', digits],
  d: ['day', digits],
  H: ['hour', digits],
  m: ['minute', digits],
  s: ['second', digits],
  S: ['fraction', (count) => `\\d{${count}}`],
  X: ['offset', () => 'Z|[+-]\\d{2}(?::?\\d{2})?'],
  x: ['offset', () => '[+-]\\d{2}(?::?\\d{2})?'],
  Z: ['offset', () => '[+-]\\d{4}|Z|[+-]\\d{2}:\\d{2}'],
};

function digits(count: number): string {
  return count === 1 ? '\\d{1,2}' : `\\d{${count}}`;
}

/** A pattern of letters such as `yyyy-MM-dd HH:mm:ss`; undefined if it has one that we do not read. */
function patternReader(pattern: string): Reader | undefined {
  const names: (keyof Fields)[] = [];
  let expression = '';
  for (const [token] of pattern.matchAll(/'(?:[^']|'')*'|([A-Za-z])\1*|[\s\S]/g)) {
    const letter = token[0] ?? '';
    if (letter === "'") {
      expression += escaped(token === "''" ? "'" : token.slice(1, -1).replaceAll("''", "'"));
      continue;
    }
    if (!/[A-Za-z]/.test(letter)) {
      if (/[[\]{}#]/.test(letter)) return undefined;
      expression += escaped(letter);
      continue;
    }
    const known = letters[letter];
    const [name, form] = known ?? [];
    // Two digits of a year, and three letters of a month, are read by rules that are not ours.
    const wide = (name === 'year' && token.length === 2) || (name === 'month' && token.length > 2);
    if (name === undefined || form === undefined || names.includes(name) || wide) return undefined;
    names.push(name);
    expression += `(${form(token.length)})`;
  }
  if (!names.includes('year')) return undefined;
  const whole = new RegExp(`^${expression}$`);
  return (text) => {
    const parts = whole.exec(text);
    if (parts === null) return undefined;
    return instantOf(Object.fromEntries(names.map((name, at) => [name, parts[at + 1]])));
  };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
