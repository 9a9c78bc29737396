/** The part of the list of settings that says who may come in: TLS of both ports, and the admin port's token. */
import type { SettingKey } from './config.ts';
import type { Setting } from './settings.ts';

export const doorSettings = {
  'tls.certificateFile': {
    type: 'path',
    default: null,
    reload: 'replaced',
    reason: 'PEM of the server certificate, then its intermediates; not set means plain HTTP',
  },
  'tls.keyFile': {
    type: 'secret',
    default: null,
    reload: 'replaced',
    reason: 'PEM of its private key, without passphrase, protected by its permissions',
  },
  'tls.clientCaFile': {
    type: 'path',
    default: null,
    reload: 'replaced',
    reason: 'PEM of the authorities that sign the certificates of shippers; public ones are never asked',
  },
  'tls.clientCertificates': {
    type: 'choice',
    choices: ['none', 'request', 'require'],
    default: 'none',
    reason: '"require" ends the handshake of a shipper without one; "request" lets him show who he is another way',
  },
  'tls.minVersion': {
    type: 'choice',
    choices: ['TLSv1.2', 'TLSv1.3'],
    default: 'TLSv1.2',
    reload: true,
    reason:
      'the oldest version that is spoken; 1.2 with forward secrecy and authenticated ciphers only, because many shippers know no better',
  },
  'admin.tokenFile': {
    type: 'secret',
    default: null,
    reload: true,
    reason: 'file with the token for everything on the admin port but livez and the bare readyz; 16 characters or more',
  },
  'admin.clientCaFile': {
    type: 'path',
    default: null,
    reload: 'replaced',
    reason: 'where set, the admin port takes clients only with a certificate of these authorities, beside the token',
  },
  'admin.tls': {
    type: 'choice',
    choices: ['auto', 'on', 'off'],
    default: 'auto',
    reason: 'TLS on the admin port, with the certificate of tls; "auto" wherever there is one, unless on loopback',
  },
} as const satisfies Partial<Record<SettingKey, Setting>>;
