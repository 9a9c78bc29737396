/** Branch coverage of the parts whose every branch decides over a promise. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve, sep } from 'node:path';

const branchPercentMin = 90;
const covered = ['src/chain', 'src/wal', 'src/bulk', 'src/verify'];

interface Summary {
  branches: { total: number; covered: number };
}

/** One sentence for each part under the bound; prints the numbers of all. */
export function coverageShortfalls(summaryFile: string): string[] {
  if (!existsSync(summaryFile)) return [`no coverage was measured: ${summaryFile} is missing`];
  const files: Record<string, Summary> = JSON.parse(readFileSync(summaryFile, 'utf8'));
  const shortfalls: string[] = [];
  for (const dir of covered) {
    const inside = Object.entries(files).filter(([file]) => file.startsWith(resolve(dir) + sep));
    const total = inside.reduce((sum, [, { branches }]) => sum + branches.total, 0);
    const hit = inside.reduce((sum, [, { branches }]) => sum + branches.covered, 0);
    const percent = total === 0 ? 0 : (100 * hit) / total;
    console.log(`branches covered in ${dir}: ${percent.toFixed(1)} % of ${total}`);
    if (percent < branchPercentMin) {
      shortfalls.push(`${dir}: ${percent.toFixed(1)} % of its branches are covered, ${branchPercentMin} are promised`);
    }
  }
  return shortfalls;
}
