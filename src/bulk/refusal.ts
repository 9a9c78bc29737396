/** Refusals of a whole request, in the words that Elasticsearch has for them. */
import { LogsealError } from '../errors.ts';

/** What Elasticsearch calls an error: `error` of an item, and the body of `error` of a request. */
export interface ErrorCause {
  type: string;
  reason: string;
  caused_by?: ErrorCause;
  [member: string]: unknown;
}

/** A LogsealError REQUEST_REFUSED whose details carry status and cause; the caller throws it. */
export function refusal(
  type: string,
  reason: string,
  more: { status?: number; causedBy?: ErrorCause } = {},
): LogsealError {
  return new LogsealError('REQUEST_REFUSED', reason, {
    status: more.status ?? 400,
    type,
    ...(more.causedBy !== undefined && { causedBy: more.causedBy }),
  });
}

export function illegalArgument(reason: string): LogsealError {
  return refusal('illegal_argument_exception', reason);
}

/** A sentence with thousands of problems helps nobody and costs memory. */
const problemsShown = 1000;

/** One sentence for all that is wrong with the operations of a request, numbered from 1. */
export function validationFailure(problems: readonly string[]): LogsealError {
  const shown = problems.slice(0, problemsShown).map((problem, i) => `${i + 1}: ${problem};`);
  return refusal('action_request_validation_exception', `Validation Failed: ${shown.join('')}`);
}
