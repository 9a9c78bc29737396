/** Texts and bytes that were right once, and were then cut, flipped, doubled and mixed. Bytes are characters up to U+00FF. */
import type { Arbitrary } from 'fast-check';
import fc from 'fast-check';

/** One change of a text, at a place that is given as a part of its length. */
function mutation(splinters: readonly string[]): Arbitrary<(text: string) => string> {
  const place = fc.double({ min: 0, max: 1, noNaN: true });
  const length = fc.integer({ min: 1, max: 12 });
  const cut = (text: string, at: number) => Math.floor(at * (text.length + 1)) || 0;
  return fc.oneof(
    fc.tuple(place, fc.constantFrom(...splinters)).map(([at, put]) => (text: string) => {
      const i = cut(text, at);
      return text.slice(0, i) + put + text.slice(i);
    }),
    fc.tuple(place, length).map(([at, n]) => (text: string) => {
      const i = cut(text, at);
      return text.slice(0, i) + text.slice(i + n);
    }),
    fc.tuple(place, length).map(([at, n]) => (text: string) => {
      const i = cut(text, at);
      return text.slice(0, i + n) + text.slice(i);
    }),
    fc.tuple(place, fc.integer({ min: 0, max: 7 })).map(([at, bit]) => (text: string) => {
      const i = cut(text, at);
      if (i >= text.length) return text;
      return text.slice(0, i) + String.fromCharCode((text.charCodeAt(i) & 0xff) ^ (1 << bit)) + text.slice(i + 1);
    }),
    fc.tuple(place, fc.constantFrom(...splinters)).map(([at, put]) => (text: string) => {
      const i = cut(text, at);
      return text.slice(0, i) + put + text.slice(i + put.length);
    }),
    fc.tuple(place, place).map(([a, b]) => (text: string) => {
      const lines = text.split('\n');
      const [from = ''] = lines.splice(Math.min(lines.length - 1, cut(text, a) % lines.length), 1);
      lines.splice(cut(text, b) % (lines.length + 1), 0, from);
      return lines.join('\n');
    }),
    place.map((at) => (text: string) => text.slice(0, cut(text, at))),
  );
}

/** None to four changes of one of the texts. */
export function mutated(texts: Arbitrary<string>, splinters: readonly string[]): Arbitrary<string> {
  return fc
    .tuple(texts, fc.array(mutation(splinters), { maxLength: 4 }))
    .map(([text, changes]) => changes.reduce((before, change) => change(before), text));
}

/** UTF-8 bytes as characters. */
export function asBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}
