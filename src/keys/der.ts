/**
 * DER by node-forge, with Buffers outside: the only file of this unit that builds or reads ASN.1.
 * node-forge works on strings of one character a byte, so no secret may pass through here in the clear.
 */
import forge from 'node-forge';

export type Der = forge.asn1.Asn1;

/** What @types/node-forge leaves out. */
type StrictFromDer = (
  bytes: string,
  options: { strict: boolean; parseAllBytes: boolean; decodeBitStrings: boolean },
) => Der;

const { asn1 } = forge;
const { Class, Type } = asn1;

export function sequence(...parts: Der[]): Der {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, parts);
}

/** SET OF: DER wants its members in the order of their bytes. */
export function setOf(parts: Der[]): Der {
  const ordered = [...parts].sort((a, b) => encodeDer(a).compare(encodeDer(b)));
  return asn1.create(Class.UNIVERSAL, Type.SET, true, ordered);
}

export function objectId(dotted: string): Der {
  return asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes());
}

export function smallInteger(value: number): Der {
  return asn1.create(Class.UNIVERSAL, Type.INTEGER, false, asn1.integerToDer(value).getBytes());
}

export function octets(bytes: Buffer): Der {
  return asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, bytes.toString('latin1'));
}

export function nothing(): Der {
  return asn1.create(Class.UNIVERSAL, Type.NULL, false, '');
}

/** [tag] EXPLICIT */
export function explicit(tag: number, inner: Der): Der {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [inner]);
}

/** [tag] IMPLICIT OCTET STRING */
export function implicitOctets(tag: number, bytes: Buffer): Der {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, false, bytes.toString('latin1'));
}

export function encodeDer(value: Der): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), 'latin1');
}

/** One value that takes up all bytes, or undefined. The caller has bounded their number. */
export function decodeDer(bytes: Buffer): Der | undefined {
  try {
    return (asn1.fromDer as unknown as StrictFromDer)(bytes.toString('latin1'), {
      strict: true,
      parseAllBytes: true,
      decodeBitStrings: false,
    });
  } catch {
    return undefined;
  }
}

/** The values inside a constructed value; none if it is not constructed. */
export function partsOf(value: Der | undefined): Der[] {
  return value !== undefined && Array.isArray(value.value) ? (value.value as Der[]) : [];
}

/** The bytes of a primitive value; none if it is constructed. */
export function bytesOf(value: Der | undefined): Buffer {
  return typeof value?.value === 'string' ? Buffer.from(value.value, 'latin1') : Buffer.alloc(0);
}

export function objectIdOf(value: Der | undefined): string {
  if (value === undefined || value.type !== Type.OID || typeof value.value !== 'string') return '';
  return asn1.derToOid(value.value);
}

/** Whether the value is [tag] of the context-specific class. */
export function isContext(value: Der | undefined, tag: number): boolean {
  return value !== undefined && value.tagClass === Class.CONTEXT_SPECIFIC && (value.type as number) === tag;
}
