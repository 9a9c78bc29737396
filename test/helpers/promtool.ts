/** promtool, the tool that Prometheus itself checks metrics, rules and expressions with, from Debian's package. */
import { join } from 'node:path';
import { run } from './command.ts';
import { debianMissing, debianPackages } from './debian.ts';

/** Why it cannot be had here, or undefined. */
export function promtoolMissing(): string | undefined {
  return debianMissing();
}

/** Runs it and returns what it printed. Throws, with what it printed, when it finds fault. */
export async function promtool(args: readonly string[], input?: string): Promise<string> {
  const root = await debianPackages('prometheus', ['prometheus']);
  return run(join(root, 'usr', 'bin', 'promtool'), args, input === undefined ? {} : { input });
}
