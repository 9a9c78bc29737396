/**
 * Owns names like `<logs-{now/d}>` and `<logs-{now-1M/M{yyyy.MM}}>`, resolved as Elasticsearch does it.
 * UTC unless the expression names a zone. Must never throw for what a shipper writes.
 */

export type DateMath = { name: string } | { problem: string };

type Unit = 'y' | 'M' | 'w' | 'd' | 'h' | 'm' | 's';

const defaultFormat = 'uuuu.MM.dd';
const step = /^(?:([+-])(\d{0,9})|\/)([yMwdhHms])/;

/** `expression` begins with `<` and ends with `>`. */
export function resolveDateMath(expression: string, nowMs: number): DateMath {
  const inner = expression.slice(1, -1);
  let name = '';
  for (let i = 0; i < inner.length; i++) {
    const c = inner[i] as string;
    if (c === '\\' && i + 1 < inner.length) {
      name += inner[++i];
    } else if (c === '{') {
      const end = closing(inner, i);
      if (end < 0) return { problem: 'invalid dynamic name expression, date math placeholder is open ended' };
      const resolved = resolvePlaceholder(inner.slice(i + 1, end), nowMs);
      if ('problem' in resolved) return resolved;
      name += resolved.name;
      i = end;
    } else if (c === '}') {
      return { problem: 'invalid dynamic name expression, invalid character at position, `{` and `}` are reserved' };
    } else {
      name += c;
    }
  }
  return name === '' ? { problem: 'nothing captured' } : { name };
}

/** Offset of the `}` that matches the `{` at `from`, or -1. */
function closing(text: string, from: number): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  return -1;
}

/** `now/d`, `now-1d{yyyy.MM.dd}`, `now/d{yyyy.MM.dd|+12:00}`. */
function resolvePlaceholder(text: string, nowMs: number): DateMath {
  const brace = text.indexOf('{');
  if (brace >= 0 && !text.endsWith('}')) return { problem: 'missing closing `}` for date math format' };
  const math = brace < 0 ? text : text.slice(0, brace);
  const [format, zone] = brace < 0 ? [defaultFormat] : text.slice(brace + 1, -1).split('|');
  if (format === '' || format === undefined) return { problem: 'missing date format' };
  if (!math.startsWith('now')) return { problem: 'date math must start with [now]' };
  const offsetMs = zone === undefined ? 0 : zoneOffset(zone, nowMs);
  if (offsetMs === undefined) return { problem: `unknown time zone [${zone}]` };
  // Local time is handled as if it were UTC.
  const local = new Date(nowMs + offsetMs);
  let rest = math.slice(3);
  while (rest !== '') {
    const found = step.exec(rest);
    if (found === null) return { problem: 'operator not supported for date math' };
    const unit = (found[3] === 'H' ? 'h' : found[3]) as Unit;
    if (found[1] === undefined) roundDown(local, unit);
    else move(local, unit, Number(`${found[1]}${found[2] === '' ? 1 : found[2]}`));
    rest = rest.slice(found[0].length);
  }
  if (!(Math.abs(local.getTime()) < 8e15) || local.getUTCFullYear() < 0 || local.getUTCFullYear() > 9999) {
    return { problem: 'date is out of range' };
  }
  return formatDate(local, format);
}

const millisecondsOf = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;

function move(date: Date, unit: Unit, count: number): void {
  if (unit === 'y' || unit === 'M') {
    const day = date.getUTCDate();
    date.setUTCDate(1);
    date.setUTCMonth(date.getUTCMonth() + count * (unit === 'y' ? 12 : 1));
    const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
    date.setUTCDate(Math.min(day, last));
  } else {
    date.setTime(date.getTime() + count * millisecondsOf[unit]);
  }
}

function roundDown(date: Date, unit: Unit): void {
  if (unit === 'y') date.setUTCMonth(0, 1);
  if (unit === 'M') date.setUTCDate(1);
  if (unit === 'w') date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  const whole = unit === 'h' || unit === 'm' || unit === 's' ? millisecondsOf[unit] : millisecondsOf.d;
  date.setTime(Math.floor(date.getTime() / whole) * whole);
}

/** Letters of Java's formatter that index names are made of; quoted text and anything else but letters stands for itself. */
function formatDate(date: Date, format: string): DateMath {
  let name = '';
  for (const [part] of format.matchAll(/'[^']*'|([A-Za-z])\1*|[^A-Za-z]/g)) {
    if (part.startsWith("'")) name += part.slice(1, -1);
    else if (!/^[A-Za-z]/.test(part)) name += part;
    else {
      const field = fieldOf(date, part);
      if (field === undefined) return { problem: `date format [${part}] is not supported` };
      name += field;
    }
  }
  return { name };
}

function fieldOf(date: Date, letters: string): string | undefined {
  const width = letters.length;
  const letter = letters[0] as string;
  const value = calendarField(date, letter);
  const year = 'yuxY'.includes(letter);
  // Longer runs stand for names of months and days, which no index is called by.
  if (value === undefined || width > (year ? 4 : letter === 'D' ? 3 : 2)) return undefined;
  if (year && width === 2) return String(value % 100).padStart(2, '0');
  return String(value).padStart(width, '0');
}

function calendarField(date: Date, letter: string): number | undefined {
  switch (letter) {
    case 'y':
    case 'u':
      return date.getUTCFullYear();
    case 'M':
      return date.getUTCMonth() + 1;
    case 'd':
      return date.getUTCDate();
    case 'H':
      return date.getUTCHours();
    case 'm':
      return date.getUTCMinutes();
    case 's':
      return date.getUTCSeconds();
    case 'D':
      return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / millisecondsOf.d) + 1;
    case 'e':
      return ((date.getUTCDay() + 6) % 7) + 1;
    case 'x':
    case 'Y':
      return isoWeek(date).year;
    case 'w':
      return isoWeek(date).week;
    default:
      return undefined;
  }
}

function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date);
  thursday.setUTCDate(date.getUTCDate() + 3 - ((date.getUTCDay() + 6) % 7));
  const year = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / millisecondsOf.w) + 1;
  return { year, week };
}

/** Milliseconds to add to UTC; undefined for a zone that nobody knows. */
function zoneOffset(zone: string, nowMs: number): number | undefined {
  if (zone === 'Z' || zone === 'UTC') return 0;
  const fixed = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone);
  if (fixed !== null) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3] ?? 0);
    return (fixed[1] === '-' ? -minutes : minutes) * millisecondsOf.m;
  }
  try {
    const parts = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(nowMs);
    const text = parts.find((part) => part.type === 'timeZoneName')?.value ?? '';
    return text === 'GMT' ? 0 : zoneOffset(text.slice('GMT'.length), nowMs);
  } catch {
    return undefined;
  }
}
