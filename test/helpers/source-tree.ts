/** The repository as a test of its shape sees it: the tracked files, and who imports whom. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { projectDir } from './cache.ts';
import { run } from './command.ts';

export interface Import {
  /** Repository path with `/`, or a package's name. */
  target: string;
  /** Erased before running. */
  typeOnly: boolean;
  /** 1 is the first line. */
  line: number;
}

/** Repository paths of the tracked files that still exist, sorted. */
export async function trackedFiles(): Promise<string[]> {
  const listed = await run('git', ['ls-files', '-z'], { cwd: projectDir });
  return listed.split('\0').filter((file) => file !== '' && existsSync(join(projectDir, file)));
}

export function textOf(file: string): string {
  return readFileSync(join(projectDir, file), 'utf8');
}

/** Every import, re-export, dynamic import and worker of a module. */
export function importsOf(file: string): Import[] {
  const text = withoutComments(textOf(file));
  const patterns = [
    /^\s*(?:import|export)\b(?<type> type\b)?[^;'"`]*?\bfrom\s*['"](?<from>[^'"]+)['"]/gm,
    /^\s*import\s*['"](?<from>[^'"]+)['"]/gm,
    /\bimport\(\s*['"](?<from>[^'"]+)['"]\s*\)/g,
    /\bnew URL\(\s*['"](?<from>\.[^'"]+\.ts)['"]/g,
  ];
  return patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => {
      const from = match.groups?.from ?? '';
      return {
        target: from.startsWith('.') ? normalize(join(dirname(file), from)) : from,
        typeOnly: match.groups?.type !== undefined,
        line: text.slice(0, match.index + match[0].length).split('\n').length,
      };
    }),
  );
}

/** Comments blanked, so that examples in them do not count; strings that look like comments are rare enough in imports. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '));
}
