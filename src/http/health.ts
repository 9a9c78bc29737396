/**
 * The admin port's routes about health: whether the process lives, whether records can be accepted, and the metrics.
 * Must never show a secret, a document or a destination's contents.
 */
import type { AdminRoute } from './admin-server.ts';

export interface Readiness {
  /** Records can be accepted. */
  ready: boolean;
  /** What is not as it should be, whether or not records are accepted: a code and a sentence. */
  reasons: readonly { code: string; reason: string }[];
  /** Destinations that cannot be signed. */
  notCovered: readonly string[];
}

export interface HealthOptions {
  readiness: () => Readiness;
  metrics: { readonly contentType: string; text(): Promise<string> };
}

/** Probes have no token: without it they hear whether, not why. */
export function healthRoutes({ readiness, metrics }: HealthOptions): AdminRoute[] {
  return [
    { method: 'GET', path: '/livez', open: true, answer: () => ({ status: 200, body: { live: true } }) },
    {
      method: 'GET',
      path: '/readyz',
      open: true,
      answer({ trusted }) {
        const now = readiness();
        return { status: now.ready ? 200 : 503, body: trusted ? now : { ready: now.ready } };
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      answer: async () => ({ status: 200, body: await metrics.text(), contentType: metrics.contentType }),
    },
  ];
}
