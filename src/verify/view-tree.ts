/**
 * JSON as a tree for the comparison of what people see with what was signed: numbers keep their digits, names that stand twice are noticed.
 *
 * Owns reading and the exact value of a number. Assumes text that a JSON reader has taken already; what it cannot read is undefined.
 */

/** A number with the digits it was written with. */
export class Decimal {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** Neither fraction nor exponent. */
  get isIntegerToken(): boolean {
    return !/[.eE]/.test(this.text);
  }

  /** The same text for the same value, whatever its spelling: digits without zeros at their ends, and a power of ten. */
  get key(): string {
    return decimalKey(this.text);
  }
}

export type Tree = string | boolean | null | Decimal | Tree[] | TreeObject;
export type TreeObject = Map<string, Tree>;

export interface ParsedTree {
  root: TreeObject;
  /** Some object has a name twice; the last one counts in the tree. */
  twice: boolean;
}

const depthMax = 1000;
const numberToken = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

/** Undefined unless the text is one object. */
export function parseTree(text: string): ParsedTree | undefined {
  const parser = new TreeParser(text);
  return parser.parse();
}

export function decimalKey(text: string): string {
  // Most numbers are short integers, whose text is their value already but for zeros at the end.
  if (/^[1-9][0-9]{0,14}$/.test(text) && !text.endsWith('0')) return `${text}e0`;
  const parts = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?$/.exec(text);
  if (parts === null) return `?${text}`;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = parts;
  const all = `${whole}${fraction}`.replace(/^0+/, '');
  const digits = all.replace(/0+$/, '');
  if (digits === '') return '0';
  const shift = all.length - digits.length - fraction.length;
  const power = exponent.length <= 15 ? String(Number(exponent) + shift) : String(BigInt(exponent) + BigInt(shift));
  return `${sign === '-' ? '-' : ''}${digits}e${power}`;
}

class TreeParser {
  readonly #text: string;
  #at = 0;
  #twice = false;
  #failed = false;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): ParsedTree | undefined {
    this.#blanks();
    if (this.#text[this.#at] !== '{') return undefined;
    const root = this.#value(0);
    this.#blanks();
    if (this.#failed || this.#at !== this.#text.length || !(root instanceof Map)) return undefined;
    return { root, twice: this.#twice };
  }

  #value(depth: number): Tree {
    const text = this.#text;
    switch (text[this.#at]) {
      case '{':
        return depth < depthMax ? this.#object(depth) : this.#fail();
      case '[':
        return depth < depthMax ? this.#array(depth) : this.#fail();
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): TreeObject {
    const members: TreeObject = new Map();
    this.#at += 1;
    this.#blanks();
    while (!this.#failed && this.#text[this.#at] !== '}') {
      const name = this.#text[this.#at] === '"' ? this.#string() : this.#fail();
      this.#blanks();
      this.#expect(':');
      this.#blanks();
      if (typeof name !== 'string') return members;
      if (members.has(name)) this.#twice = true;
      members.set(name, this.#value(depth + 1));
      this.#next('}');
    }
    this.#at += 1;
    return members;
  }

  #array(depth: number): Tree[] {
    const elements: Tree[] = [];
    this.#at += 1;
    this.#blanks();
    while (!this.#failed && this.#text[this.#at] !== ']') {
      elements.push(this.#value(depth + 1));
      this.#next(']');
    }
    this.#at += 1;
    return elements;
  }

  /** After a value: a comma with something behind it, or the end. */
  #next(close: string): void {
    this.#blanks();
    if (this.#text[this.#at] === close) return;
    this.#expect(',');
    this.#blanks();
    if (this.#text[this.#at] === close) this.#fail();
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at;
    let end = text.indexOf('"', start + 1);
    while (end > 0) {
      let before = end;
      while (text[before - 1] === '\\') before -= 1;
      if ((end - before) % 2 === 0) break;
      end = text.indexOf('"', end + 1);
    }
    if (end < 0) return this.#fail() ?? '';
    this.#at = end + 1;
    const inner = text.slice(start + 1, end);
    if (!inner.includes('\\')) return inner;
    try {
      return JSON.parse(text.slice(start, end + 1)) as string;
    } catch {
      return this.#fail() ?? '';
    }
  }

  #number(): Tree {
    numberToken.lastIndex = this.#at;
    const token = numberToken.exec(this.#text)?.[0];
    if (token === undefined) return this.#fail();
    this.#at += token.length;
    return new Decimal(token);
  }

  #word(word: string, value: boolean | null): boolean | null {
    if (!this.#text.startsWith(word, this.#at)) return this.#fail();
    this.#at += word.length;
    return value;
  }

  #blanks(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at += 1;
    }
  }

  #expect(character: string): void {
    if (this.#text[this.#at] === character) this.#at += 1;
    else this.#fail();
  }

  /** Ends the reading: everything after it finds the end of the text. */
  #fail(): null {
    this.#failed = true;
    this.#at = this.#text.length;
    return null;
  }
}
