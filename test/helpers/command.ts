/** A command run to its end; its failure is an error with `exitCode` that shows what it wrote. */
import { execFile } from 'node:child_process';

/**
 * The command without what tap adds to every Node that a test starts: its hooks change how modules load and how fast a
 * process is, and a test of a process is about the process as users start it. The process id stays that of the command.
 */
export function bare(command: string, args: readonly string[]): [string, string[]] {
  return ['/usr/bin/env', ['-u', 'NODE_OPTIONS', command, ...args]];
}

const outputBytesMax = 64 * 1024 * 1024;

/** Resolves with standard output. */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const { cwd, env, input } = options;
    const child = execFile(
      ...bare(command, args),
      { maxBuffer: outputBytesMax, ...(cwd === undefined ? {} : { cwd }), ...(env === undefined ? {} : { env }) },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        const message = `${error.message}\n${stdout}${stderr}`;
        reject(Object.assign(new Error(message), { exitCode: error.code ?? error.signal }));
      },
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(input ?? '');
  });
}
