/**
 * What readyz says. Records can be accepted whenever the sockets are open and the log has room; what else is amiss is said
 * beside it, each with a code of a closed list, so that it can be watched for. Must never show a part of a document.
 */
import type { DeliveryStats } from '../delivery/port.ts';
import type { Readiness } from '../http/health.ts';

/** Each code with what it means. Codes are an interface: they are added, never renamed. */
export const readyCodes = {
  stopping: 'the proxy was told to stop; no: 503',
  'log-full': 'the write-ahead log or its disk is full: requests are held, then answered 429; no: 503',
  'upstream-not-contacted': 'the search engine has not answered since the start; records are accepted and kept',
  'upstream-unreachable': 'the search engine does not answer, or refuses everything; records are accepted and kept',
  'rolled-back': 'an old copy of the data directory was put back; records are accepted and kept, nothing is delivered',
  'upstream-node-out':
    'one node of the search engine gets no requests because it failed; it is asked again with growing pauses',
  'destination-held': 'one destination takes no records; the others go on',
  'log-in-clear': 'a key for the data directory is configured, and a part of it is in clear all the same',
  'transport-insecure': 'a port is open to other machines without TLS, or its certificate is not valid',
} as const;

export type ReadyCode = keyof typeof readyCodes;

export interface ReadyReason {
  code: ReadyCode;
  /** A sentence. */
  reason: string;
}

export interface ReadinessSources {
  stopping: boolean;
  freeBytes: number;
  /** Why nothing is delivered at all. */
  problem: ReadyReason | undefined;
  stats: Pick<DeliveryStats, 'unreachable' | 'held'> | undefined;
  /** Addresses. */
  nodesOut: ReadonlySet<string>;
  /** Sentences about the ports, and about what is on disk without encryption. */
  transport: readonly string[];
  inClear: readonly string[];
  notCovered: ReadonlySet<string>;
}

const inTheWay: ReadonlySet<ReadyCode> = new Set(['stopping', 'log-full']);

export function readinessOf(sources: ReadinessSources): Readiness {
  const { stopping, freeBytes, problem, stats, nodesOut, transport, inClear, notCovered } = sources;
  const reasons: ReadyReason[] = [];
  const add = (code: ReadyCode, reason: string) => reasons.push({ code, reason });
  if (stopping) add('stopping', 'the proxy is stopping: no new requests are taken');
  if (freeBytes === 0) add('log-full', 'the write-ahead log is full: requests are held, then answered 429');
  if (problem !== undefined) reasons.push(problem);
  if (stats?.unreachable !== undefined) {
    add('upstream-unreachable', `the search engine takes nothing: ${stats.unreachable}`);
  }
  for (const node of nodesOut) add('upstream-node-out', `${node} does not answer; the other nodes are asked`);
  for (const { dest, reason } of stats?.held ?? []) add('destination-held', `${dest} is held: ${reason}`);
  for (const reason of inClear) add('log-in-clear', reason);
  for (const reason of transport) add('transport-insecure', reason);
  return { ready: !reasons.some(({ code }) => inTheWay.has(code)), reasons, notCovered: [...notCovered] };
}
