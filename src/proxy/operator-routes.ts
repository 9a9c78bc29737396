/** The admin port's routes for operators: what they need to know, the chain that is to replace another, and their signed acts. */
import type { AdminRoute } from '../http/admin-server.ts';
import type { OperatorDesk } from './operator-desk.ts';

export function operatorRoutes(desk: OperatorDesk): AdminRoute[] {
  return [
    { method: 'GET', path: '/operator', answer: () => ({ status: 200, body: desk.status() }) },
    {
      method: 'POST',
      path: '/operator/prepare',
      answer: async ({ body }) => ({
        status: 200,
        body: await desk.prepare((body as { chain?: unknown } | null)?.chain),
      }),
    },
    {
      method: 'POST',
      path: '/operator/acts',
      answer: async ({ body }) => ({ status: 200, body: await desk.take(body) }),
    },
  ];
}
