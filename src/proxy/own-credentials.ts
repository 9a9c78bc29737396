/** The proxy's own credentials towards the search engine, and what it believes of it, read again on reload: in this thread, and in that of delivery. */
import type { Config } from '../config/config.ts';
import { readUpstreamSettings } from '../config/credentials.ts';
import type { Prepare } from './reload.ts';
import type { Stages } from './stages.ts';

export function prepareCredentials(
  started: Config,
  { upstream, delivery }: Pick<Stages, 'upstream' | 'delivery'>,
): Prepare {
  let inForce = read(started);
  return (config) => {
    const next = read(config);
    if (JSON.stringify(next) === JSON.stringify(inForce)) return { changes: [], apply: () => undefined };
    return {
      changes: ['credentials for the search engine'],
      apply() {
        inForce = next;
        upstream.replaceCredentials(next);
        delivery.replaceCredentials(next);
      },
    };
  };
}

function read(config: Config) {
  const { apiKey, username, password, ca, caFingerprint, certificate, key } = readUpstreamSettings(config);
  return { apiKey, username, password, ca, caFingerprint, certificate, key };
}
