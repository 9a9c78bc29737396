/** The admin port's route that sends rejected records again. Bounded: a request names a chain and at most a thousand records. */
import { LogsealError } from '../errors.ts';
import type { AdminRoute } from '../http/admin-server.ts';
import type { Stages } from './stages.ts';

const recordsMax = 1000;

export function rejectRoutes({ signing, delivery }: Pick<Stages, 'signing' | 'delivery'>): AdminRoute[] {
  return [
    {
      method: 'POST',
      path: '/rejects/retry',
      async answer({ body }) {
        const { chain, seqs } = (body ?? {}) as { chain?: unknown; seqs?: unknown };
        if (typeof chain !== 'string' || !signing.knowsChain(chain)) throw refused('there is no such chain here');
        if (!Array.isArray(seqs) || seqs.length === 0 || seqs.length > recordsMax || !seqs.every(isSeq)) {
          throw refused(`seqs is no list of 1 to ${recordsMax} seqs`);
        }
        const ascending = [...new Set(seqs)].sort((a, b) => a - b);
        return { status: 200, body: { v: 1, chain, records: await delivery.retry({ chain, seqs: ascending }) } };
      },
    },
  ];
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function refused(why: string): LogsealError {
  return new LogsealError('ACT_REFUSED', `nothing is retried: ${why}`);
}
