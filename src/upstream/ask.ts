/**
 * Small JSON questions to the search engine, and what an answer means that is not the one hoped for. Also the few reads of
 * untrusted JSON that every file of this unit needs.
 */
import { LogsealError } from '../errors.ts';
import type { Connection, JsonAnswer } from './connection.ts';

/** What the files of this unit ask through; `Connection` is one. */
export type Asker = Pick<Connection, 'ask'>;

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * A question whose 404 and 400 (no such thing, no such request here) are answers too: undefined then.
 * Throws UPSTREAM_DENIED when the engine says no, UPSTREAM_REFUSED or UPSTREAM_UNKNOWN when it says nothing of use.
 */
export async function askOptional(
  asker: Asker,
  method: string,
  path: string,
  body?: unknown,
): Promise<JsonObject | undefined> {
  const answer = await asker.ask(method, path, body);
  if (answer.status === 404 || answer.status === 400 || answer.status === 405) return undefined;
  return demanded(answer, method, path);
}

/** A question that must be answered with an object. Throws as `askOptional`. */
export async function askFor(asker: Asker, method: string, path: string, body?: unknown): Promise<JsonObject> {
  return demanded(await asker.ask(method, path, body), method, path);
}

/** The error of an answer that is not 2xx, else undefined. */
export function refusal(answer: JsonAnswer): { status: number; type: string; reason: string } | undefined {
  if (answer.status < 300) return undefined;
  const error = objectAt(answer.body, 'error');
  const reason = textAt(error, 'reason') ?? textAt(answer.body, 'error') ?? `status ${answer.status}`;
  return { status: answer.status, type: textAt(error, 'type') ?? '', reason: reason.slice(0, 1000) };
}

export function denied(answer: JsonAnswer, what: string): LogsealError {
  const no = refusal(answer) ?? { status: answer.status, type: '', reason: 'an answer that cannot be read' };
  const passing = no.status >= 500 || no.status === 429 || no.status < 300;
  const sentence = `${what}: the search engine answered ${no.status}${no.type === '' ? '' : ` ${no.type}`}: ${no.reason}`;
  return new LogsealError(passing ? 'UPSTREAM_REFUSED' : 'UPSTREAM_DENIED', sentence, {
    status: no.status,
    type: no.type,
  });
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectAt(value: unknown, ...path: string[]): JsonObject | undefined {
  let node = value;
  for (const name of path) node = isObject(node) ? node[name] : undefined;
  return isObject(node) ? node : undefined;
}

export function textAt(value: unknown, name: string): string | undefined {
  const found = isObject(value) ? value[name] : undefined;
  return typeof found === 'string' ? found : undefined;
}

export function integerAt(value: unknown, name: string): number | undefined {
  const found = isObject(value) ? value[name] : undefined;
  return Number.isSafeInteger(found) ? (found as number) : undefined;
}

/** Objects of an array member; anything else in it is left out. */
export function objectsAt(value: unknown, name: string): JsonObject[] {
  const found = isObject(value) ? value[name] : undefined;
  return Array.isArray(found) ? found.filter(isObject) : [];
}

/** Strings of a member that is a string or an array of them. */
export function textsAt(value: unknown, name: string): string[] {
  const found = isObject(value) ? value[name] : undefined;
  if (typeof found === 'string') return [found];
  return Array.isArray(found) ? found.filter((one) => typeof one === 'string') : [];
}

function demanded(answer: JsonAnswer, method: string, path: string): JsonObject {
  if (answer.status >= 300 || !isObject(answer.body)) throw denied(answer, `${method} ${path}`);
  return answer.body;
}
