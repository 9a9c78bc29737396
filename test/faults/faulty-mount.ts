/**
 * A directory whose disk breaks on demand: `fuse/` mounts it again elsewhere, numbers and writes down what changes it, and
 * applies rules. For the real process, which notices nothing: give it `dir` as its data directory.
 * Assumes Linux with /dev/fuse, the right to mount, and Go to build the layer (once, into the cache of the checkout).
 * A mount goes when its test calls `unmount`, and at the latest when the test's process ends.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, closeSync, constants, openSync, readSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cached } from '../helpers/cache.ts';
import { run } from '../helpers/command.ts';
import { onPath } from '../helpers/java.ts';

const sources = join(import.meta.dirname, 'fuse');

export type DiskCall =
  | 'create'
  | 'write'
  | 'truncate'
  | 'fsync'
  | 'fdatasync'
  | 'fsyncdir'
  | 'rename'
  | 'unlink'
  | 'mkdir'
  | 'rmdir'
  | 'open'
  | 'read'
  | 'readdir'
  | 'statfs'
  | 'setattr'
  /** Any that changes something. */
  | '*';

/** What happens to which calls. Without an action it only counts them. */
export interface FaultRule {
  op: DiskCall;
  /** A glob over the path below the mount, or over the last part of it if it has no slash. Default: any. */
  path?: string;
  /** `before` (default): the call does not happen. `after`: it has happened, whatever the caller is told. */
  phase?: 'before' | 'after';
  /** Only the n-th match, counted from 1. */
  nth?: number;
  /** Each n-th match. */
  every?: number;
  /** At most so often. */
  times?: number;
  errno?: 'ENOSPC' | 'EIO' | 'EROFS' | 'EDQUOT' | 'EACCES' | 'EMFILE';
  /** SIGKILL to a process, or to the one that calls. */
  kill?: number | 'caller';
  delayMs?: number;
  /** A write writes at most so many bytes. */
  short?: number;
}

/** A use of a rule. `at`: the number of the change, 0 before it. */
export interface Firing {
  op: DiskCall;
  path: string;
  at: number;
}

export interface SetRule {
  readonly firings: readonly Firing[];
  /** Resolves at the first use, now if there was one. */
  readonly fired: Promise<Firing>;
  remove(): Promise<void>;
}

export interface FaultyMount {
  /** The mount: what the process under test is given. */
  readonly dir: string;
  /** The files behind it, untouched by rules. Change them only while nothing is open in `dir`. */
  readonly backing: string;
  /** How many changes there were until now. No call is made: it is as quick as reading memory. */
  changes(): number;
  rule(rule: FaultRule): Promise<SetRule>;
  /** Every call that would change something fails with EROFS, except syncs. */
  readOnly(on: boolean): Promise<void>;
  /** Writes down every change from now on, until the next `record`, `stopRecord` or `unmount`; changes.ts reads it. */
  record(file: string): Promise<void>;
  stopRecord(): Promise<void>;
  /** Lazily: works whoever still has files open. The backing files stay. */
  unmount(): Promise<void>;
}

/** For `{ skip }` of a test: false where the layer can run, else the reason with what to do. */
export function faultyMountMissing(): string | false {
  if (process.platform !== 'linux') return 'NOT RUN: the faulty disk is a Linux FUSE mount';
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
  } catch {
    return 'NOT RUN: the faulty disk needs /dev/fuse, readable and writable: run as root on a machine that has it (modprobe fuse; in a container --device /dev/fuse --cap-add SYS_ADMIN)';
  }
  if (process.getuid?.() !== 0 && onPath('fusermount3') === undefined) {
    return 'NOT RUN: the faulty disk needs the right to mount: run as root, or install with `sudo apt-get install -y fuse3`';
  }
  if (goCommand() === undefined) {
    return 'NOT RUN: the faulty disk is built with Go 1.21 or newer: install with `sudo apt-get install -y golang-go`';
  }
  return false;
}

/** Mounts `backing` (made if it is missing) on a folder of its own. */
export async function mountFaulty(backing: string): Promise<FaultyMount> {
  const program = await built();
  await mkdir(backing, { recursive: true });
  const base = await mkdtemp(join(tmpdir(), 'logseal-mount-'));
  const dir = join(base, 'disk');
  const counter = join(base, 'changes');
  await mkdir(dir);
  const layer = new Layer(program, [backing, dir, counter]);
  await layer.mounted;
  const changes = openCounter(counter);
  return {
    dir,
    backing,
    changes: changes.read,
    rule: (rule) => layer.rule(rule),
    readOnly: async (on) => void (await layer.ask({ cmd: 'readOnly', on })),
    record: async (file) => void (await layer.ask({ cmd: 'record', file })),
    stopRecord: async () => void (await layer.ask({ cmd: 'stopRecord' })),
    async unmount() {
      changes.close();
      await layer.end();
      await rm(base, { recursive: true, force: true });
    },
  };
}

interface Answer {
  id?: number;
  error?: string;
  event?: string;
  number?: number;
  op?: DiskCall;
  path?: string;
  at?: number;
}

class Layer {
  readonly mounted: Promise<void>;
  readonly #child;
  readonly #ended: Promise<unknown>;
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  readonly #rules = new Map<number, { firings: Firing[]; fire(firing: Firing): void }>();
  /** Firings that were told before the answer with the rule's number. */
  readonly #early = new Map<number, Firing[]>();
  #asked = 0;

  constructor(program: string, args: readonly string[]) {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-10_000);
    });
    child.stdin.on('error', () => {});
    this.#ended = once(child, 'close').then(() => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the faulty disk has ended: ${errors}`));
    });
    this.mounted = new Promise((resolve, reject) => {
      void this.#ended.then(() => reject(new Error(`the faulty disk did not mount: ${errors}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const answer = JSON.parse(line) as Answer;
        if (answer.event === 'mounted') resolve();
        else this.#take(answer);
      });
    });
  }

  ask(command: object): Promise<Answer> {
    this.#asked += 1;
    const id = this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }

  async rule({ kill, ...rule }: FaultRule): Promise<SetRule> {
    const wanted = kill === undefined ? rule : { ...rule, kill: String(kill) };
    const number = (await this.ask({ cmd: 'rule', rule: wanted })).number ?? 0;
    const firings: Firing[] = [];
    const { promise: fired, resolve } = Promise.withResolvers<Firing>();
    const fire = (firing: Firing) => {
      firings.push(firing);
      resolve(firing);
    };
    this.#rules.set(number, { firings, fire });
    for (const firing of this.#early.get(number) ?? []) fire(firing);
    this.#early.delete(number);
    return { firings, fired, remove: async () => void (await this.ask({ cmd: 'remove', number })) };
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }

  #take({ id, error, event, ...answer }: Answer): void {
    if (event === 'fired') {
      const { number = 0, op = '*', path = '', at = 0 } = answer;
      const rule = this.#rules.get(number);
      if (rule !== undefined) rule.fire({ op, path, at });
      else this.#early.set(number, [...(this.#early.get(number) ?? []), { op, path, at }]);
      return;
    }
    const asker = this.#waiting.get(id ?? 0);
    this.#waiting.delete(id ?? 0);
    if (error === undefined) asker?.resolve(answer);
    else asker?.reject(new Error(error));
  }
}

function openCounter(path: string): { read(): number; close(): void } {
  const file = openSync(path, 'r');
  const bytes = Buffer.alloc(8);
  let last = 0;
  let open = true;
  return {
    read() {
      if (open) readSync(file, bytes, 0, 8, 0);
      last = Number(bytes.readBigUInt64LE(0));
      return last;
    },
    close() {
      if (open) closeSync(file);
      open = false;
    },
  };
}

function goCommand(): string | undefined {
  return onPath('go') ?? ['/usr/local/go/bin/go', '/usr/lib/go/bin/go'].find(isThere);
}

function isThere(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The program, built from its sources if they have changed. */
async function built(): Promise<string> {
  const names = (await readdir(sources)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(sources, name), 'utf8')));
  const dir = await cached('faulty-disk', texts, async (target) => {
    const env = { ...process.env, CGO_ENABLED: '0' };
    await run(goCommand() ?? 'go', ['build', '-trimpath', '-o', join(target, 'faultyfs'), '.'], { cwd: sources, env });
  });
  return join(dir, 'faultyfs');
}
