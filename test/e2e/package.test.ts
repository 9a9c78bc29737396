/** `npm pack`, unpacked into an empty folder beside nothing but the packages it names, works as `logseal`. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { projectDir } from '../helpers/cache.ts';
import { startChild } from '../helpers/child.ts';
import { run } from '../helpers/command.ts';
import { freePort } from '../helpers/proxy.ts';

const home = mkdtempSync(join(tmpdir(), 'logseal-package-'));
t.teardown(() => rmSync(home, { recursive: true }));
const installed = join(home, 'node_modules', 'logseal');
const manifest = JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8'));

/** As npm would lay it out, without asking a registry: the package itself, and the run-time packages of this checkout. */
async function install(): Promise<string[]> {
  await run('npm', ['pack', '--silent', '--pack-destination', home], { cwd: projectDir });
  const archive = readdirSync(home).find((name) => name.endsWith('.tgz')) ?? '';
  mkdirSync(installed, { recursive: true });
  await run('tar', ['-xzf', join(home, archive), '--strip-components=1', '-C', installed]);
  for (const name of Object.keys(manifest.dependencies)) {
    const link = join(home, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(projectDir, 'node_modules', name), link);
  }
  return readdirSync(installed, { recursive: true, encoding: 'utf8' }).sort();
}

const files = await install();
const logseal = join(installed, manifest.bin.logseal);
const env = { PATH: process.env.PATH, HOME: home };

t.test('it holds what an operator needs and nothing of development', async (t) => {
  for (const file of ['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md', 'config/logseal.yaml']) {
    t.ok(files.includes(file), file);
  }
  t.strictSame(
    files.filter((file) => /(^|\/)(test|node_modules|\.\w)|\.ts$/.test(file)),
    [],
  );
});

t.test('the command runs, says its version, and refuses what it does not know with exit code 3', async (t) => {
  t.match(await run(process.execPath, [logseal, '--help'], { cwd: home, env }), /^Usage: logseal /);
  t.equal(await run(process.execPath, [logseal, '--version'], { cwd: home, env }), `${manifest.version}\n`);
  const refused = await run(process.execPath, [logseal, 'nonsense'], { cwd: home, env }).catch((error) => error);
  t.equal(refused.exitCode, 3);
});

t.test('the proxy runs from it, threads and all, and ends with 0 at SIGTERM', async (t) => {
  const port = await freePort();
  const proxy = await startChild({
    command: process.execPath,
    args: [join(installed, 'dist', 'src', 'main.js')],
    env: {
      ...env,
      LOGSEAL_DATA_DIR: join(home, 'data'),
      LOGSEAL_LISTEN: `127.0.0.1:${port}`,
      LOGSEAL_ADMIN_LISTEN: `127.0.0.1:${await freePort()}`,
    },
    ready: /proxy-ready/,
  });
  const answer = await fetch(`http://127.0.0.1:${port}/_bulk`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: '{"create":{"_index":"logs"}}\n{"message":"hello"}\n',
  });
  t.match(await answer.json(), { errors: false, items: [{ create: { status: 201 } }] });
  t.equal(await proxy.stop(), 0);
});
