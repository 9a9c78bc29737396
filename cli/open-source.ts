/** Makes the source that SOURCE means. Opening it is left to the command, which also closes it. */
import { readUpstreamSettings } from '../src/config/credentials.ts';
import { systemClock } from '../src/lib/clock.ts';
import type { Source } from '../src/verify/source.ts';
import { NdjsonSource } from '../src/verify/sources/ndjson.ts';
import { SearchSource } from '../src/verify/sources/search.ts';
import type { SourceSelection } from '../src/verify/sources/selected-indices.ts';
import { StoreSource } from '../src/verify/sources/store.ts';
import type { SourceChoice } from './source-argument.ts';
import type { Terminal } from './terminal.ts';

export function openSource(
  choice: SourceChoice,
  selection: SourceSelection,
  terminal: Pick<Terminal, 'stdin'>,
): Source {
  switch (choice.kind) {
    case 'ndjson':
      if (choice.path === '-') return new NdjsonSource('standard input', selection, terminal.stdin);
      return new NdjsonSource(choice.path, selection);
    case 'store':
      return new StoreSource(choice.path, choice.dataDir, selection);
    case 'search':
      return new SearchSource({ ...readUpstreamSettings(choice.config), clock: systemClock }, selection);
  }
}
