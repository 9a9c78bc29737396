/**
 * The files and tables that are made from the code, for the tests that compare them. Run by itself it writes them:
 * `node test/helpers/reference.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { exampleFile, settingsTable } from '../../src/config/reference.ts';
import { configSchema } from '../../src/config/schema.ts';
import { events } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { readyCodes } from '../../src/proxy/readiness.ts';

const project = new URL('../../', import.meta.url);

/** Path in the project → text it must have. */
export async function referenceFiles(): Promise<ReadonlyMap<string, string>> {
  let manual = readFileSync(new URL('docs/operating.md', project), 'utf8');
  for (const [name, table] of [
    ['settings', settingsTable()],
    ['events', eventTable()],
    ['metrics', await metricTable()],
    ['readiness', readinessTable()],
  ] as const) {
    // A table stands directly below its comment, up to the next empty line.
    const place = new RegExp(`(<!-- ${name}: [^\\n]*-->\\n)(\\n\\|[^\\n]*(?:\\n\\|[^\\n]*)*\\n)?`);
    manual = manual.replace(place, (_, comment: string) => `${comment}\n${table}`);
  }
  return new Map([
    ['config/logseal.yaml', exampleFile()],
    ['config/logseal.schema.json', `${JSON.stringify(configSchema(), null, 2)}\n`],
    ['docs/operating.md', manual],
  ]);
}

function eventTable(): string {
  const rows = Object.entries(events).map(([name, [level, sentence]]) => `| \`${name}\` | ${level} | ${sentence} |`);
  return ['| event | level | message |', '|---|---|---|', ...rows, ''].join('\n');
}

function readinessTable(): string {
  const rows = Object.entries(readyCodes).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  return ['| code | what |', '|---|---|', ...rows, ''].join('\n');
}

async function metricTable(): Promise<string> {
  const text = await createMetrics({ processMetrics: false }).text();
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  const rows = [...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(
    ([, name, help]) => `| \`${name}\` | ${types.get(name)} | ${help} |`,
  );
  return ['| metric | type | what |', '|---|---|---|', ...rows, ''].join('\n');
}

if (import.meta.main) {
  for (const [path, text] of await referenceFiles()) writeFileSync(new URL(path, project), text);
}
