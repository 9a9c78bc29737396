/**
 * Owns reading one short JSON text token by token: the action lines of a bulk request, whose errors Elasticsearch words by token.
 * Assumes a text of bounded length. Never builds a tree; throws REQUEST_REFUSED for what is not JSON.
 */
import { refusal } from './refusal.ts';

export type Token =
  | 'START_OBJECT'
  | 'END_OBJECT'
  | 'START_ARRAY'
  | 'END_ARRAY'
  | 'FIELD_NAME'
  | 'VALUE_STRING'
  | 'VALUE_NUMBER'
  | 'VALUE_BOOLEAN'
  | 'VALUE_NULL';

const literal = /true|false|null/y;
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// A string without its quotes; control characters are not allowed in it.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not stand there
const string = /"((?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)"/y;
const blanks = /[ \t\r\n]*/y;
const depthMax = 100;

export class JsonTokens {
  /** The name or value of the last token, unescaped; numbers as they were written. */
  text = '';
  /** Where the last token begins and ends in the text. */
  start = 0;
  end = 0;
  readonly #source: string;
  /** `{` and `[` that are open. */
  readonly #open: ('{' | '[')[] = [];
  #expectName = false;
  #afterValue = false;
  /** A name stands without its value. */
  #afterName = false;

  constructor(source: string) {
    this.#source = source;
  }

  /** The next token; undefined at the end of the text, where an unclosed bracket is an error. */
  next(): Token | undefined {
    this.#skipBlanks();
    const source = this.#source;
    if (this.end >= source.length) {
      if (this.#open.length > 0) throw this.#endOfFile();
      return undefined;
    }
    let c = source[this.end];
    if (this.#afterValue && this.#open.length > 0 && c === ',') {
      this.#afterValue = false;
      this.end++;
      this.#skipBlanks();
      c = source[this.end];
      if (c === undefined) throw this.#endOfFile();
      if (c === '}' || c === ']') throw this.#unexpected();
    } else if ((c === '}' || c === ']') && !this.#afterName) {
      return this.#close(c);
    } else if (this.#afterValue && this.#open.length > 0) {
      throw this.#unexpected();
    }
    return this.#expectName ? this.#name() : this.#value(c as string);
  }

  /** After START_OBJECT or START_ARRAY: goes on to its end and returns the whole value as it was written. */
  rest(): string {
    const from = this.start;
    const depth = this.#open.length - 1;
    while (this.#open.length > depth) this.next();
    return this.#source.slice(from, this.end);
  }

  /** The last token's column as Elasticsearch counts it. */
  get column(): number {
    return this.start + 1;
  }

  #skipBlanks(): void {
    blanks.lastIndex = this.end;
    this.end += blanks.exec(this.#source)?.[0].length ?? 0;
    this.start = this.end;
  }

  #close(c: '}' | ']'): Token {
    const open = c === '}' ? '{' : '[';
    if (this.#open.at(-1) !== open) throw this.#unexpected();
    this.#open.pop();
    this.end++;
    this.#closed();
    return c === '}' ? 'END_OBJECT' : 'END_ARRAY';
  }

  #closed(): void {
    this.#afterValue = true;
    this.#expectName = this.#open.at(-1) === '{';
  }

  #name(): Token {
    this.text = this.#string();
    blanks.lastIndex = this.end;
    const colon = this.end + (blanks.exec(this.#source)?.[0].length ?? 0);
    if (colon >= this.#source.length) throw this.#endOfFile();
    if (this.#source[colon] !== ':') throw this.#unexpected();
    this.end = colon + 1;
    this.#expectName = false;
    this.#afterValue = false;
    this.#afterName = true;
    return 'FIELD_NAME';
  }

  #value(c: string): Token {
    this.#afterName = false;
    if (c === '{' || c === '[') {
      if (this.#open.length >= depthMax) throw this.#unexpected();
      this.#open.push(c);
      this.end++;
      this.#expectName = c === '{';
      this.#afterValue = false;
      return c === '{' ? 'START_OBJECT' : 'START_ARRAY';
    }
    if (c === '"') {
      this.text = this.#string();
      this.#closed();
      return 'VALUE_STRING';
    }
    const word = this.#match(literal) ?? this.#match(number);
    if (word === undefined || /[\w.+-]/.test(this.#source[this.end + word.length] ?? '')) throw this.#unrecognized();
    this.text = word;
    this.end += word.length;
    this.#closed();
    if (word === 'null') return 'VALUE_NULL';
    return word === 'true' || word === 'false' ? 'VALUE_BOOLEAN' : 'VALUE_NUMBER';
  }

  #string(): string {
    if (this.#source[this.end] !== '"') throw this.#unexpected();
    string.lastIndex = this.end;
    const found = string.exec(this.#source);
    if (found === null) throw this.#source.includes('"', this.end + 1) ? this.#unexpected() : this.#endOfFile();
    this.end += found[0].length;
    const inside = found[1] as string;
    return inside.includes('\\') ? (JSON.parse(found[0]) as string) : inside;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.end;
    return pattern.exec(this.#source)?.[0];
  }

  #endOfFile() {
    return refusal('x_content_e_o_f_exception', `[1:${this.#source.length + 1}] Unexpected end of file`);
  }

  #unexpected() {
    const c = this.#source.codePointAt(this.end) ?? 0;
    return this.#malformed(`Unexpected character ('${String.fromCodePoint(c)}' (code ${c}))`, this.end + 1);
  }

  #unrecognized() {
    const word = /^[\w.+-]{1,64}/.exec(this.#source.slice(this.end, this.end + 64))?.[0];
    if (word === undefined) return this.#unexpected();
    const expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
    return this.#malformed(`Unrecognized token '${word}': was expecting ${expected}`, this.end + word.length + 1);
  }

  #malformed(what: string, column: number) {
    const causedBy = { type: 'json_parse_exception', reason: what };
    return refusal('x_content_parse_exception', `[1:${column}] ${what}`, { causedBy });
  }
}
