/**
 * What all fuzz targets share: kept inputs first, then random ones from a seed that is printed; the shrunk input of a failure is
 * written into the corpus when `npm run test:fuzz` asks for it (LOGSEAL_TEST_FUZZ_KEEP), and from then on every `npm test` tries it.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Arbitrary } from 'fast-check';
import fc from 'fast-check';
import type { Test } from 'tap';

/** How long a target may take in the short form, where nobody says otherwise. */
const shortRuns = Number(process.env.LOGSEAL_TEST_FUZZ_RUNS ?? 0);
const longSeconds = Number(process.env.LOGSEAL_TEST_FUZZ_SECONDS ?? 0);
/** A round ends by its time; this only bounds it. */
const longRunsMax = 10_000_000;

/** Whether this is a round of `npm run test:fuzz`. */
export const isLong = longSeconds > 0;

const seed = Number(process.env.LOGSEAL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

export interface FuzzTarget<Input> {
  /** Folder of the corpus, beside the test. Inputs are kept as JSON. */
  name: string;
  inputs: Arbitrary<Input>;
  /** Throws, or resolves to a sentence, for an input that shows a defect. */
  check(input: Input): Promise<string | undefined> | string | undefined;
  /** Random inputs of the short form. */
  runs: number;
}

export async function fuzz<Input>(t: Test, target: FuzzTarget<Input>): Promise<void> {
  const { name, inputs, check } = target;
  t.comment(`seed ${seed} (LOGSEAL_TEST_SEED)`);
  for (const { file, input } of corpusOf<Input>(name)) {
    const fault = await faultOf(() => check(input));
    if (fault !== undefined) t.fail(`${file}: ${fault}`);
  }
  let tried = 0;
  const property = fc.asyncProperty(inputs, async (input) => {
    tried += 1;
    const fault = await faultOf(() => check(input));
    if (fault !== undefined) throw new Error(fault);
  });
  const bounds = isLong
    ? { numRuns: longRunsMax, interruptAfterTimeLimit: longSeconds * 1000 }
    : { numRuns: shortRuns || target.runs };
  const details = await fc.check(property, { seed, ...bounds, markInterruptAsFailure: false });
  const told = `${name}: ${tried} inputs tried, seed ${seed}`;
  if (isLong) process.stderr.write(`${told}\n`);
  else t.comment(told);
  const [input] = details.counterexample ?? [];
  if (!details.failed || input === undefined) {
    t.pass(`${name}: ${tried} inputs`);
    return;
  }
  const text = JSON.stringify(input);
  const kept = process.env.LOGSEAL_TEST_FUZZ_KEEP === '1' ? keep(name, text) : 'not kept';
  t.fail(`${name}: ${String(details.errorInstance)}`, { seed, kept, input: text.slice(0, 4000) });
}

/** The bytes of a corpus entry or an input: JSON has no bytes, so they are characters up to U+00FF. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

async function faultOf(act: () => Promise<string | undefined> | string | undefined): Promise<string | undefined> {
  try {
    return await act();
  } catch (error) {
    return `throws ${error instanceof Error ? error.stack : String(error)}`;
  }
}

function corpusOf<Input>(name: string): { file: string; input: Input }[] {
  const dir = join(import.meta.dirname, 'corpus', name);
  if (!existsSync(dir)) return [];
  const files = readdirSync(dir).sort();
  return files.map((file) => ({ file, input: JSON.parse(readFileSync(join(dir, file), 'utf8')) as Input }));
}

function keep(name: string, text: string): string {
  const dir = join(import.meta.dirname, 'corpus', name);
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${createHash('sha256').update(text).digest('hex').slice(0, 12)}.txt`);
  writeFileSync(path, `${text}\n`);
  return path;
}
