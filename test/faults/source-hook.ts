/**
 * `node --import …/source-hook.ts?without=NAME,NAME`: takes protections out of the modules of this process as they load, in
 * every thread. A text that is not there exactly once ends the process: a control run that changes nothing would prove nothing.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import type { Edit, ProtectionName } from './protections.ts';
import { protections } from './protections.ts';

/** The proxy starts its threads without the flags of the process: they get this hook back. */
const threads: readonly Edit[] = ['src/delivery/remote.ts', 'src/store/worker.ts'].map((file) => ({
  file,
  find: 'execArgv: []',
  replace: `execArgv: ['--import', ${JSON.stringify(import.meta.url)}]`,
}));
const names = new URL(import.meta.url).searchParams.get('without')?.split(',') ?? [];
const root = new URL('../../', import.meta.url);
const edits = new Map<string, Edit[]>();
for (const edit of [...threads, ...names.flatMap(editsOf)]) {
  const url = new URL(edit.file, root).href;
  edits.set(url, [...(edits.get(url) ?? []), edit]);
}
for (const [url, list] of edits) without(readFileSync(new URL(url), 'utf8'), list);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const list = edits.get(url);
    if (list === undefined) return loaded;
    return { ...loaded, source: without(String(loaded.source), list) };
  },
});

function editsOf(name: string): readonly Edit[] {
  const protection = protections[name as ProtectionName];
  if (protection === undefined) throw new Error(`no protection is called ${name}`);
  return protection.edits;
}

function without(source: string, list: readonly Edit[]): string {
  let text = source;
  for (const { file, find, replace } of list) {
    const parts = text.split(find);
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times what one protection is: ${find}`);
    text = parts.join(replace);
  }
  return text;
}
