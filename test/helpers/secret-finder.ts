/** Looks for secrets in what a thief would have: raw, as base64, base64url or hexadecimal text, at any offset. */

export class SecretFinder {
  readonly #byStart = new Map<number, { bytes: Buffer; name: string }[]>();
  /** One bit for each pair of first bytes, so that most offsets cost one look. */
  readonly #starts = new Uint8Array(65_536);

  constructor(secrets: ReadonlyMap<string, Buffer>) {
    for (const [name, secret] of secrets) {
      for (const form of ['latin1', 'base64', 'base64url', 'hex'] as const) {
        const bytes = form === 'latin1' ? secret : Buffer.from(secret.toString(form).replace(/=+$/, ''));
        const start = bytes.readUInt32BE(0);
        this.#byStart.set(start, [...(this.#byStart.get(start) ?? []), { bytes, name: `${name} as ${form}` }]);
        this.#starts[start >>> 16] = 1;
      }
    }
  }

  /** Names of the secrets that stand in the bytes. */
  find(bytes: Buffer): string[] {
    const found = new Set<string>();
    const last = bytes.length - 32;
    for (let at = 0; at <= last; at += 1) {
      const pair = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      if (this.#starts[pair] === 0) continue;
      for (const secret of this.#byStart.get(bytes.readUInt32BE(at)) ?? []) {
        if (bytes.subarray(at, at + secret.bytes.length).equals(secret.bytes)) found.add(secret.name);
      }
    }
    return [...found];
  }
}
