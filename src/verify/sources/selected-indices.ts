/**
 * Which indices a source reads records from: `a,logs-*,-logs-old` names indices, data streams and patterns of both.
 *
 * Owns that expression. Assumes it comes from the verifier. The indices that belong to Logseal itself are never left out by it.
 */

import { LogsealError } from '../../errors.ts';
import { matchesGlob } from '../../lib/glob.ts';
import { systemIndices } from '../source.ts';

export interface SourceSelection {
  /** Indices, data streams or patterns, by comma; all where it is absent. */
  readonly index?: string;
  /** The rejects are read whatever `index` says: an export carries them always. */
  readonly rejects?: boolean;
}

/** Read before all others, and as a whole. */
export const systemNames: ReadonlySet<string> = new Set([
  systemIndices.checkpoints,
  systemIndices.seals,
  systemIndices.control,
]);

const backingName = /^\.[df]s-(.+)-\d{4}\.\d{2}\.\d{2}-\d{6}$/;

/** Whether records of an index are read. Errors: USAGE for an expression that no index can have. */
export function indexSelector(selection: SourceSelection): (index: string, dataStream?: string) => boolean {
  const { index: expression, rejects } = selection;
  if (expression === undefined) return (index) => !systemNames.has(index);
  if (expression === '' || /[\s/?#"\\<>|]/.test(expression)) {
    throw new LogsealError('USAGE', `--index ${expression} is no name or pattern of indices`);
  }
  const parts = expression.split(',');
  return (index, dataStream) => {
    if (systemNames.has(index)) return false;
    if (rejects === true && index === systemIndices.rejects) return true;
    const names = [index, dataStream ?? backingName.exec(index)?.[1]].filter((name) => name !== undefined);
    let chosen = false;
    for (const part of parts) {
      const excludes = part.startsWith('-');
      if (names.some((name) => matchesGlob(excludes ? part.slice(1) : part, name))) chosen = !excludes;
    }
    return chosen;
  };
}
