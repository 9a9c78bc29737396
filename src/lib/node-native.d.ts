/**
 * What Node's Buffer and crypto.hash can do and @types/node does not say: the direct writers, a third faster than `write` with an
 * encoding, and latin1 as the encoding of a hash.
 */
declare global {
  interface Buffer {
    latin1Write(text: string, offset?: number, length?: number): number;
    utf8Write(text: string, offset?: number, length?: number): number;
    latin1Slice(start?: number, end?: number): string;
    utf8Slice(start?: number, end?: number): string;
    base64urlSlice(start?: number, end?: number): string;
  }
}

declare module 'node:crypto' {
  function hash(algorithm: string, bytes: Buffer, encoding: 'latin1'): string;
}

export {};
