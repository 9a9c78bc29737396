/** One request with its answer, as the handlers see it: target taken apart once, headers of the answer in one place. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { illegalArgument, refusal } from '../bulk/refusal.ts';
import type { Caller } from './caller.ts';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Ours; in logs, error bodies, and `x-opaque-id` when the client sent none. */
  readonly id: string;
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  /** Decoded, empty ones left out: `//_bulk/` is `['_bulk']`. */
  readonly segments: readonly string[];
  /** Decoded; of a name given twice the last counts. */
  readonly query: ReadonlyMap<string, string>;
  /** Aborts when the client is gone before it has its answer. */
  readonly gone: AbortSignal;
  /** Set once, before anything is done for the request. */
  caller: Caller;
  /** Sends `100 Continue`, once, if the client waits for it. */
  proceed(): void;
}

export interface Target {
  path: string;
  segments: string[];
  query: Map<string, string>;
}

const querySizeMax = 1000;

/** Throws REQUEST_REFUSED for a broken percent escape, and for more parameters than are read. Assumes a slash at the beginning. */
export function parseTarget(target: string): Target {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const segments = path
    .split('/')
    .filter((segment) => segment !== '')
    .map((segment) => decode(segment));
  return {
    path,
    segments,
    query: mark < 0 ? new Map() : parseQuery(target.slice(mark + 1)),
  };
}

function parseQuery(text: string): Map<string, string> {
  const query = new Map<string, string>();
  const pairs = text.split('&', querySizeMax + 1);
  if (pairs.length > querySizeMax) throw illegalArgument(`more than ${querySizeMax} parameters`);
  for (const pair of pairs) {
    if (pair === '') continue;
    const mark = pair.indexOf('=');
    const name = mark < 0 ? pair : pair.slice(0, mark);
    const value = mark < 0 ? '' : pair.slice(mark + 1);
    query.set(decode(name.replaceAll('+', ' ')), decode(value.replaceAll('+', ' ')));
  }
  return query;
}

function decode(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    const reason = `invalid escape sequence in: ${text}`;
    const causedBy = { type: 'illegal_argument_exception', reason };
    throw refusal('bad_parameter_exception', `java.lang.IllegalArgumentException: ${reason}`, { causedBy });
  }
}
