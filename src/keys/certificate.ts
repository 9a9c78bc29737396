/**
 * A self-signed certificate for an auditor's RSA key: node-forge lays it out, node:crypto signs it, so that the private key never
 * becomes a string. The certificate only carries the public key to the proxy; nobody is asked to trust its issuer.
 */
import type { KeyObject } from 'node:crypto';
import { createPublicKey, randomBytes, sign } from 'node:crypto';
import forge from 'node-forge';

const { asn1, pki } = forge;

export interface CertificateSubject {
  /** Common name. */
  readonly name: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** What @types/node-forge leaves out. */
interface FullPki {
  getTBSCertificate(certificate: forge.pki.Certificate): forge.asn1.Asn1;
}

/** The certificate as PEM. */
export function selfSignedCertificate(privateKey: KeyObject, subject: CertificateSubject): string {
  const certificate = pki.createCertificate();
  const publicPem = createPublicKey(privateKey).export({ format: 'pem', type: 'spki' });
  certificate.publicKey = pki.publicKeyFromPem(publicPem.toString());
  certificate.serialNumber = serialNumber();
  certificate.validity.notBefore = subject.notBefore;
  certificate.validity.notAfter = subject.notAfter;
  const utf8 = asn1.Type.UTF8 as unknown as forge.asn1.Class;
  const name = [{ name: 'commonName', value: subject.name, valueTagClass: utf8 }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, keyEncipherment: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  const algorithm = pki.oids.sha256WithRSAEncryption as string;
  certificate.signatureOid = algorithm;
  certificate.siginfo.algorithmOid = algorithm;
  const signed = (pki as unknown as FullPki).getTBSCertificate(certificate);
  const signature = sign('sha256', Buffer.from(asn1.toDer(signed).getBytes(), 'latin1'), privateKey);
  certificate.signature = signature.toString('latin1');
  return pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
}

/** 16 random bytes that DER reads as a positive number of full length. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] as number) & 0x3f);
  return bytes.toString('hex');
}
