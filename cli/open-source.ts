/** Makes the source that SOURCE means. Opening it is left to the command, which also closes it. */
import { LogsealError } from '../src/errors.ts';
import type { Source } from '../src/verify/source.ts';
import { NdjsonSource } from '../src/verify/sources/ndjson.ts';
import type { SourceChoice } from './source-argument.ts';
import type { Terminal } from './terminal.ts';

export interface Selection {
  /** Records of this index only; what belongs to Logseal itself is always read. */
  readonly index?: string;
}

export function openSource(choice: SourceChoice, selection: Selection, _terminal: Terminal): Source {
  switch (choice.kind) {
    case 'ndjson':
      return new NdjsonSource(choice.path, selection.index);
    case 'store':
    case 'search':
      throw new LogsealError('USAGE', `a source of kind ${choice.kind} cannot be read yet`);
  }
}
