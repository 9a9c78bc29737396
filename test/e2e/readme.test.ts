/** The README's walk, word for word, and the demo: what a newcomer types is what works. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { run } from '../helpers/command.ts';
import { freePort, startProxy } from '../helpers/proxy.ts';

const root = join(import.meta.dirname, '..', '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

function blocks(kind: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`sh ${kind}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    (match) => match[1] as string,
  );
}

/** A copy of what git tracks, with the packages that are installed already. */
async function checkout(directory: string): Promise<void> {
  const { stdout } = await promisify(execFile)(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {
      cwd: root,
      maxBuffer: 16 * 1024 * 1024,
    },
  );
  for (const name of stdout.split('\0').filter((one) => one !== '' && !one.startsWith('test/'))) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    cpSync(join(root, name), join(directory, name));
  }
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
}

t.test('the five minutes of the README work as they are written', async (t) => {
  // Short: the store's socket stands in the data directory only where its path is short enough for the kernel.
  const directory = mkdtempSync(join(tmpdir(), 'logseal-readme-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  await checkout(directory);
  t.strictSame(blocks('start'), ['npm start\n'], 'one command starts it');
  const port = await freePort();
  const proxy = await startProxy({ dataDir: join(directory, 'data'), port });
  t.teardown(() => proxy.kill());
  const shell = (script: string) =>
    promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script.replaceAll('127.0.0.1:9280', `127.0.0.1:${port}`)], {
      cwd: directory,
      env: { ...process.env, NODE_OPTIONS: '' },
    });
  const [send = '', look = '', verify = '', tamper = ''] = blocks('walk');
  const [again = ''] = blocks('walk-tampered');
  t.match((await shell(send)).stdout, '"errors":false', 'the records are accepted');
  t.match((await shell(look)).stdout, /"_source":\{"logseal":\{.*\},"message":"badge 23 opened door 4"\}/);
  t.match((await shell(verify)).stdout, /^VERIFIED: 3 records/, 'they verify');
  await shell(tamper);
  const found = await shell(again).then(
    () => ({ code: 0, stdout: '' }),
    (error: { code: number; stdout: string }) => error,
  );
  t.equal(found.code, 1, 'the second verification ends with 1');
  t.match(found.stdout, /MODIFIED/);
  t.match(found.stdout, /logs-try\/b/, 'names the changed record');
  t.match(found.stdout, /MISSING/, 'and the removed one');
  t.equal(await proxy.stop(30_000), 0);
});

t.test('the demo explains itself and ends well', async (t) => {
  const text = await run(process.execPath, [join(root, 'cli', 'main.ts'), 'demo']);
  t.match(text, /VERIFIED: 1,000 records/);
  t.match(text, /demo-0421/);
  t.match(text, /seq 777/);
  t.match(text, /Nothing is left of it/);
});

t.test('every file that the README links to is there', async (t) => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => match[1] as string);
  t.ok(links.length > 10);
  const { stdout } = await promisify(execFile)('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  const files = stdout.split('\n');
  const missing = links.filter((link) => !files.some((file) => file === link || file.startsWith(`${link}/`)));
  t.strictSame(missing, []);
});

t.test('npm start ends with 0 on SIGTERM', async (t) => {
  const environment = {
    ...process.env,
    NODE_OPTIONS: '',
    LOGSEAL_DATA_DIR: t.testdir(),
    LOGSEAL_LISTEN: '127.0.0.1:0',
    LOGSEAL_ADMIN_LISTEN: '127.0.0.1:0',
  };
  const child = spawn('npm', ['start'], { cwd: root, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  while (!printed.includes('Verify all:')) await once(child.stderr, 'data');
  t.match(printed, /Send one:/, 'it says what to type next');
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  t.equal(code, 0);
});
