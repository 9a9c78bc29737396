/** A command run to its end; its failure is an error that shows what it wrote. */
import { execFile } from 'node:child_process';

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
      command,
      [...args],
      { maxBuffer: outputBytesMax, ...(cwd === undefined ? {} : { cwd }), ...(env === undefined ? {} : { env }) },
      (error, stdout, stderr) => {
        if (error) reject(new Error(`${command} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
        else resolve(stdout);
      },
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(input ?? '');
  });
}
