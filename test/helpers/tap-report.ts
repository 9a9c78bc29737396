/**
 * Reads tap's output line by line, prints one line for each passing file and everything about a failing one, and counts
 * tests: what stands directly in a file. A file that fails without a failing test in it (it crashed, it hung, it could
 * not be loaded) counts as one failed test.
 */
const linesMax = 400;

export class TapReport {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** Reason of a skip → how many tests. */
  readonly skips = new Map<string, number>();
  readonly #print: (text: string) => void;
  #block: string[] = [];
  #inFile = { passed: 0, failed: 0, skipped: 0 };

  constructor(print: (text: string) => void) {
    this.#print = print;
  }

  line(line: string): void {
    const file = /^(not )?ok \d+ - (.*\.test\.\w+)(?: # time=([\d.]+)ms)?/.exec(line);
    if (file) {
      this.#file(file[1] === undefined, file[2] ?? '', Number(file[3] ?? 0));
      return;
    }
    this.#block.push(line);
    const test = /^ {4}(not )?ok \d+(?: - (.*))?$/.exec(line);
    if (!test) return;
    const skip = / # SKIP ?(.*)$/i.exec(test[2] ?? '');
    if (test[1] !== undefined) this.#inFile.failed++;
    else if (skip) this.#skip(skip[1] ?? '');
    else this.#inFile.passed++;
  }

  #skip(reason: string): void {
    this.#inFile.skipped++;
    this.skips.set(reason, (this.skips.get(reason) ?? 0) + 1);
  }

  #file(ok: boolean, name: string, ms: number): void {
    const { passed, skipped } = this.#inFile;
    const failed = ok ? 0 : Math.max(1, this.#inFile.failed);
    this.passed += passed;
    this.failed += failed;
    this.skipped += skipped;
    const counts = [`${passed} passed`];
    if (failed > 0) counts.push(`${failed} FAILED`);
    if (skipped > 0) counts.push(`${skipped} skipped`);
    this.#print(`${ok ? 'ok' : 'not ok'} - ${name} (${counts.join(', ')}, ${(ms / 1000).toFixed(1)} s)\n`);
    if (!ok) this.#print(`${failures(this.#block).join('\n')}\n`);
    this.#block = [];
    this.#inFile = { passed: 0, failed: 0, skipped: 0 };
  }
}

/** Without what passed: the assertions that hold and their blank lines. Bounded, the newest lines are kept. */
function failures(lines: readonly string[]): string[] {
  const kept = lines.filter((line) => !/^\s*(ok \d+.*|\d+\.\.\d+|# time=.*)?$/.test(line));
  return kept.length <= linesMax ? kept : ['    …', ...kept.slice(-linesMax)];
}
