/** The shape of the source: the promises of docs/ARCHITECTURE.md about who may import whom, and some habits. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { projectDir } from '../helpers/cache.ts';
import { run } from '../helpers/command.ts';
import { importsOf, textOf, trackedFiles } from '../helpers/source-tree.ts';

/** A unit imports only units of lower rank. A folder ends in `/`. */
const ranks: Record<string, number> = {
  'src/lib/': 0,
  'src/errors.ts': 0,
  'src/chain/': 1,
  'src/config/': 1,
  'src/log.ts': 1,
  'src/metrics.ts': 1,
  'src/bulk/': 2,
  'src/clients/': 2,
  'src/keys/': 2,
  'src/wal/': 2,
  'src/log/': 2,
  'src/journal/': 2,
  'src/upstream/': 2,
  'src/store/': 2,
  'src/sequencer/': 3,
  'src/delivery/': 3,
  'src/verify/': 3,
  'src/http/': 4,
  'src/insight/': 4,
  'src/proxy/': 5,
  'src/main.ts': 6,
  'cli/': 6,
};

const linesMax = 400;
const testLinesMax = 700;
const acting = ['src/main.ts', 'cli/main.ts'];

const files = await trackedFiles();
const code = files.filter((file) => /\.(ts|js)$/.test(file));
const modules = code.filter((file) => /^(src|cli)\//.test(file) && file !== 'cli/run.js');

function unitOf(file: string): string {
  const [top = '', second = '', ...rest] = file.split('/');
  if (top === 'cli') return 'cli/';
  return rest.length === 0 ? `${top}/${second}` : `${top}/${second}/`;
}

t.test('every module belongs to a unit with a rank', async (t) => {
  const strangers = modules.map(unitOf).filter((unit) => ranks[unit] === undefined);
  t.strictSame([...new Set(strangers)], []);
});

t.test('a unit imports only units of lower rank', async (t) => {
  const wrong: string[] = [];
  for (const file of modules) {
    const unit = unitOf(file);
    for (const { target, line } of importsOf(file)) {
      if (!/^(src|cli|test)\//.test(target)) continue;
      const other = unitOf(target);
      if (other === unit) continue;
      const lower = (ranks[other] ?? Number.POSITIVE_INFINITY) < (ranks[unit] ?? -1);
      if (!lower) wrong.push(`${file}:${line} imports ${target}`);
    }
  }
  t.strictSame(wrong, []);
});

t.test('every import of a file of ours names a file that is there', async (t) => {
  const known = new Set(files);
  const wrong = code.flatMap((file) =>
    importsOf(file)
      .filter(({ target }) => /^(src|cli|test)\//.test(target) && !known.has(target))
      .map(({ target, line }) => `${file}:${line} imports ${target}`),
  );
  t.strictSame(wrong, []);
});

t.test('no module imports itself by way of others', async (t) => {
  const graph = new Map(modules.map((file) => [file, importsOf(file).filter((one) => !one.typeOnly)]));
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      return;
    }
    state.set(file, 'open');
    for (const { target } of graph.get(file) ?? []) if (graph.has(target)) visit(target, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of modules) visit(file, []);
  t.strictSame(cycles, []);
});

t.test('files have kebab-case names, none is called index or utils, none is too long', async (t) => {
  const ours = code.filter((file) => /^(src|cli|test)\//.test(file));
  const names = ours.filter((file) => !/(^|\/)[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.(ts|js)$/.test(file));
  t.strictSame(names, []);
  t.strictSame(
    ours.filter((file) => /(^|\/)(index|utils?)\.(ts|js)$/.test(file)),
    [],
  );
  t.strictSame(
    ours.filter((file) => textOf(file).split('\n').length > (file.startsWith('test/') ? testLinesMax : linesMax)),
    [],
  );
});

t.test('a module exports by name and only what it owns', async (t) => {
  const wrong = modules.filter((file) => {
    const text = textOf(file);
    return /^export default\b/m.test(text) || /^export\b[^;'"(=]*\bfrom\s+['"]/m.test(text);
  });
  t.strictSame(wrong, []);
});

t.test('the environment is read in src/config only', async (t) => {
  const wrong = modules.filter((file) => !file.startsWith('src/config/') && /\bprocess\.env\b/.test(textOf(file)));
  t.strictSame(wrong, []);
});

t.test('importing a module does nothing', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'logseal-tidy-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const quiet = modules.filter((file) => !acting.includes(file) && !file.endsWith('.d.ts'));
  const urls = quiet.map((file) => pathToFileURL(join(projectDir, file)).href);
  const script = `
    const resources = () => process.getActiveResourcesInfo().filter((type) => !/^(Pipe|FSReq|Immediate)/.test(type));
    const before = resources().length;
    const listeners = process.eventNames().length;
    for (const url of ${JSON.stringify(urls)}) await import(url);
    await new Promise((resolve) => setImmediate(resolve));
    if (resources().length > before) console.log('left running:', resources().join());
    if (process.eventNames().length !== listeners) console.log('listens to', process.eventNames());
    console.log('loaded');
  `;
  const output = await run(process.execPath, ['--input-type=module', '-'], {
    input: script,
    cwd: dir,
    env: { PATH: process.env.PATH },
  });
  t.equal(output, 'loaded\n');
  t.strictSame(readdirSync(dir), [], 'it writes nothing');
});

t.test('no tracked file names a machine of ours, a package registry, or work to be done later', async (t) => {
  const forbidden = [
    /\/work\/(main|shared|notes)\b/,
    /\/root\/|\/tmp\/bash_jobs/,
    /\b(registry\.(npmjs|yarnpkg)|repo1?\.maven|repo\.maven|deb\.debian|proxy\.golang|files\.pythonhosted)\b/,
    /\b(TO[D]O|FIX[M]E|X[X]X)\b/,
  ];
  const text = files.filter((file) => !/\.(png|der|bin|gz)$/.test(file) && file !== 'test/unit/tidy.test.ts');
  const wrong = text.flatMap((file) => {
    const lines = textOf(file).split('\n');
    return lines.flatMap((line, at) => (forbidden.some((one) => one.test(line)) ? [`${file}:${at + 1}`] : []));
  });
  t.strictSame(wrong, []);
});

t.test('every npm script names something that is there', async (t) => {
  const { scripts, bin } = JSON.parse(textOf('package.json'));
  const targets = Object.values<string>(scripts).flatMap((line) => [...line.matchAll(/cli\/run\.js (\S+)/g)]);
  for (const [, target = ''] of targets) {
    const found = target.includes('/')
      ? files.includes(target)
      : existsSync(join(projectDir, 'node_modules/.bin', target));
    t.ok(found, target);
  }
  t.ok(
    files.includes(bin.logseal.replace(/^dist\/(.*)\.js$/, '$1.ts')),
    'the published command is built from a source',
  );
});

t.test('the packages are pinned, and a clean install finds each in the lock', async (t) => {
  const manifest = JSON.parse(textOf('package.json'));
  const lock = JSON.parse(textOf('package-lock.json')).packages;
  const wanted = { ...manifest.dependencies, ...manifest.devDependencies };
  for (const [name, version] of Object.entries(wanted)) {
    t.match(version, /^\d+\.\d+\.\d+$/, `${name} has an exact version`);
    t.equal(lock[`node_modules/${name}`]?.version, version, `${name} is locked at it`);
  }
  const absent: string[] = [];
  for (const [path, entry] of Object.entries<{ optionalDependencies?: object; resolved?: string }>(lock)) {
    if (entry.resolved) absent.push(`${path} names where it was fetched`);
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      const places = path.split('/node_modules/').map((_, i, all) => all.slice(0, i + 1).join('/node_modules/'));
      const found = ['', ...places.map((place) => `${place}/`)].some((place) => lock[`${place}node_modules/${name}`]);
      if (!found) absent.push(`${name}, optional for ${path}`);
    }
  }
  t.strictSame(absent, []);
});
