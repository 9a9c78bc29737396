/** systemd-analyze, which rates a service unit, and strace, which shows and refuses system calls: the machine's, or Debian's unpacked. */
import { join } from 'node:path';
import { run } from './command.ts';
import { debianMissing, debianPackages, libraryDirs } from './debian.ts';
import { onPath } from './java.ts';

/** What systemd-analyze is linked with and a small machine may lack. */
const libraries = [
  ...['libsystemd-shared', 'libseccomp2', 'libkmod2', 'libapparmor1', 'libip4tc2', 'libcap2', 'libacl1', 'libmount1'],
  ...['libblkid1', 'libpam0g', 'libaudit1', 'libcap-ng0', 'libgcrypt20', 'libgpg-error0', 'libcrypt1', 'libselinux1'],
];

/** Why they cannot be had here, or false. */
export function systemdMissing(): string | false {
  if (process.platform !== 'linux') return 'NOT RUN: systemd and strace are for Linux';
  if (onPath('systemd-analyze') !== undefined && onPath('strace') !== undefined) return false;
  return debianMissing() ?? false;
}

/** Runs it and returns what it printed. */
export async function systemdAnalyze(args: readonly string[]): Promise<string> {
  const env = { ...process.env, SYSTEMD_COLORS: '0', SYSTEMD_PAGER: '' };
  if (onPath('systemd-analyze') !== undefined) return run('systemd-analyze', args, { env });
  const root = await debianPackages('systemd', ['systemd', ...libraries]);
  const dirs = (await libraryDirs(root)).flatMap((dir) => [dir, join(dir, 'systemd')]);
  const libraryPath = { LD_LIBRARY_PATH: dirs.join(':') };
  return run(join(root, 'usr', 'bin', 'systemd-analyze'), args, { env: { ...env, ...libraryPath } });
}

/** The names of system calls that `SystemCallFilter=` lines leave, groups and all. */
export async function allowedCalls(filters: readonly string[]): Promise<Set<string>> {
  const groups = groupsOf(await systemdAnalyze(['syscall-filter', '--no-pager']));
  const allowed = new Set<string>();
  for (const filter of filters) {
    const denies = filter.startsWith('~');
    for (const word of filter.replace(/^~/, '').split(' ')) {
      for (const name of callsOf(word, groups)) {
        if (denies) allowed.delete(name);
        else allowed.add(name);
      }
    }
  }
  return allowed;
}

function groupsOf(printed: string): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  let members: string[] = [];
  for (const line of printed.split('\n')) {
    if (/^ +[@\w-]+$/.test(line)) members.push(line.trim());
    else if (/^\S/.test(line)) {
      members = [];
      groups.set(line.trim(), members);
    }
  }
  return groups;
}

function callsOf(word: string, groups: ReadonlyMap<string, readonly string[]>): string[] {
  if (!word.startsWith('@')) return [word];
  const members = groups.get(word);
  if (members === undefined) throw new Error(`systemd-analyze knows no group ${word}`);
  return members.flatMap((member) => callsOf(member, groups));
}

/**
 * A command line before which `command args` can be put: every system call that is not allowed gets EPERM, as the unit's filter
 * answers, and stands in `file`, as does every socket that is opened. The process id is the command's own.
 */
export async function underFilter(allowed: ReadonlySet<string>, file: string): Promise<string[]> {
  const allBut = (names: readonly string[]) => `!${names.map((name) => `?${name}`).join(',')}`;
  const traced = allBut([...allowed].filter((name) => name !== 'socket'));
  const filter = ['-e', `trace=${traced}`, '-e', `inject=${allBut([...allowed])}:error=EPERM`];
  return [...(await strace()), '-DD', '-f', '-qq', '--seccomp-bpf', '-e', 'signal=none', '-o', file, ...filter];
}

async function strace(): Promise<string[]> {
  if (onPath('strace') !== undefined) return ['strace'];
  const root = await debianPackages('strace', ['strace', 'libunwind8']);
  return ['env', `LD_LIBRARY_PATH=${(await libraryDirs(root)).join(':')}`, join(root, 'usr', 'bin', 'strace')];
}
