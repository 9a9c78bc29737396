/** A certificate authority of a test, and the certificates that it signs: node-forge lays them out, node:crypto makes the keys. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import forge from 'node-forge';

const { pki } = forge;
const hourMs = 3_600_000;

export interface Issued {
  /** PEM. */
  certificate: string;
  key: string;
}

export interface Subject {
  name: string;
  /** For servers or for clients. */
  for: 'server' | 'client';
  dnsNames?: string[];
  uris?: string[];
  addresses?: string[];
  /** Ended an hour ago. */
  expired?: boolean;
}

export class Authority {
  readonly #name: string;
  readonly #key = keyPair();
  readonly #self: forge.pki.Certificate;

  constructor(name: string) {
    this.#name = name;
    this.#self = this.#sign(name, this.#key, [
      { name: 'basicConstraints', critical: true, cA: true },
      { name: 'keyUsage', critical: true, keyCertSign: true },
    ]);
  }

  /** PEM. */
  get certificate(): string {
    return pki.certificateToPem(this.#self);
  }

  issue(subject: Subject): Issued {
    const pair = keyPair();
    const altNames = [
      ...(subject.dnsNames ?? []).map((value) => ({ type: 2, value })),
      ...(subject.uris ?? []).map((value) => ({ type: 6, value })),
      ...(subject.addresses ?? []).map((ip) => ({ type: 7, ip })),
    ];
    const certificate = this.#sign(
      subject.name,
      pair,
      [
        { name: 'basicConstraints', critical: true, cA: false },
        { name: 'extKeyUsage', serverAuth: subject.for === 'server', clientAuth: subject.for === 'client' },
        ...(altNames.length === 0 ? [] : [{ name: 'subjectAltName', altNames }]),
      ],
      subject.expired === true ? -hourMs : hourMs,
    );
    return { certificate: pki.certificateToPem(certificate), key: pair.pem };
  }

  #sign(name: string, pair: KeyPair, extensions: object[], endsInMs = hourMs): forge.pki.Certificate {
    const certificate = pki.createCertificate();
    certificate.publicKey = pair.publicKey;
    certificate.serialNumber = `40${randomBytes(8).toString('hex')}`;
    certificate.validity.notBefore = new Date(Date.now() - 2 * hourMs);
    certificate.validity.notAfter = new Date(Date.now() + endsInMs);
    certificate.setSubject([{ name: 'commonName', value: name }]);
    certificate.setIssuer([{ name: 'commonName', value: this.#name }]);
    certificate.setExtensions(extensions);
    certificate.sign(this.#key.privateKey, forge.md.sha256.create());
    return certificate;
  }
}

interface KeyPair {
  pem: string;
  privateKey: forge.pki.rsa.PrivateKey;
  publicKey: forge.pki.PublicKey;
}

function keyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
    publicKeyEncoding: { format: 'pem', type: 'spki' },
  });
  return { pem: privateKey, privateKey: pki.privateKeyFromPem(privateKey), publicKey: pki.publicKeyFromPem(publicKey) };
}
