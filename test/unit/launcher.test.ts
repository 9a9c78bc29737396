/** cli/run.js, in a checkout of its own with a stand-in for npm: what a stranger's first `npm start` goes through. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { projectDir } from '../helpers/cache.ts';
import { bare, run } from '../helpers/command.ts';

const lock = JSON.stringify({
  packages: { '': {}, 'node_modules/left': { version: '1.2.3' }, 'node_modules/elsewhere': { optional: true } },
});

/** Notes its calls, takes a moment, and leaves behind what a real npm leaves. */
const npm = `
  import { appendFileSync, copyFileSync, mkdirSync } from 'node:fs';
  appendFileSync('calls', process.argv.slice(2).join(' ') + '\\n');
  if (process.env.NPM_FAILS) { console.error('no network'); process.exit(1); }
  await new Promise((wake) => setTimeout(wake, 300));
  mkdirSync('node_modules', { recursive: true });
  copyFileSync('package-lock.json', 'node_modules/.package-lock.json');
`;

const files = {
  'package.json': '{"type":"module"}',
  'package-lock.json': lock,
  'npm.js': npm,
  'echo.ts': `const words: string[] = process.argv.slice(2); console.log(words.join('|')); process.exitCode = 7;`,
  'wait.ts': `process.on('SIGTERM', () => { console.log('ended'); process.exit(0); });
    console.log('waits'); setInterval(() => {}, 1000);`,
  'die.ts': `process.kill(process.pid, 'SIGKILL');`,
  cli: {},
};

function launcherIn(dir: string): (args: string[], env?: NodeJS.ProcessEnv) => Promise<string> {
  copyFileSync(join(projectDir, 'cli', 'run.js'), join(dir, 'cli', 'run.js'));
  return (args, env = {}) =>
    run(process.execPath, [join(dir, 'cli', 'run.js'), ...args], {
      cwd: '/',
      env: { PATH: process.env.PATH, npm_execpath: join(dir, 'npm.js'), ...env },
    });
}

t.test('two that start at once in a fresh checkout install once, from the lock, and both run', async (t) => {
  const dir = t.testdir(files);
  const launch = launcherIn(dir);
  const ends = await Promise.all(
    [launch(['echo.ts', 'a', 'b c']), launch(['echo.ts', '--d'])].map((one) => one.catch((error) => error)),
  );
  t.strictSame(
    ends.map((end) => end.exitCode),
    [7, 7],
    'the exit code of the script',
  );
  t.match(ends[0].message, /\na\|b c\n/, 'the arguments of the script');
  t.match(ends[1].message, /\n--d\n/);
  t.equal(readFileSync(join(dir, 'calls'), 'utf8'), 'ci --no-audit --no-fund --loglevel=error\n');
});

t.test('what is installed is not installed again, until the lock changes', async (t) => {
  const dir = t.testdir({ ...files, node_modules: { '.package-lock.json': lock } });
  const launch = launcherIn(dir);
  const calls = () => launch(['echo.ts']).then(t.fail, () => callsOf(dir));
  t.equal(await calls(), 0);
  writeFileSync(join(dir, 'package-lock.json'), lock.replace('1.2.3', '1.2.4'));
  t.equal(await calls(), 1);
  t.equal(await calls(), 1);
});

t.test(
  'an installation that fails is said in one sentence, and the lock of one that was killed is taken over',
  async (t) => {
    const dir = t.testdir({ ...files, '.cache': { 'install.lock': '999999999' } });
    const launch = launcherIn(dir);
    const failure = await launch(['echo.ts'], { NPM_FAILS: '1' }).catch((error) => error);
    t.equal(failure.exitCode, 1);
    t.match(failure.message, /no network\nthe packages could not be installed: npm says why above\n/);
    const second = await launch(['echo.ts']).catch((error) => error);
    t.equal(second.exitCode, 7, 'the next try works');
  },
);

t.test('SIGTERM reaches the script, and its exit code comes back', async (t) => {
  const dir = t.testdir({ ...files, node_modules: { '.package-lock.json': lock } });
  launcherIn(dir);
  const child = spawn(...bare(process.execPath, [join(dir, 'cli', 'run.js'), 'wait.ts']));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    if (output === '') child.kill('SIGTERM');
    output += text;
  });
  t.strictSame(await once(child, 'exit'), [0, null]);
  t.equal(output, 'waits\nended\n');
});

t.test('the shell that npm puts between gives way, so that a signal to npm ends what it started', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8'));
  for (const name of ['start', 'test', 'logseal']) t.match(scripts[name], /^exec node cli\/run\.js \S+\.ts$/, name);
});

t.test('a script that is killed ends the launcher with 128 and the signal', async (t) => {
  const dir = t.testdir({ ...files, node_modules: { '.package-lock.json': lock } });
  const failure = await launcherIn(dir)(['die.ts']).catch((error) => error);
  t.equal(failure.exitCode, 137);
});

t.test('a tool of the packages is run when no script has that name, and what is neither is named', async (t) => {
  const tool = '#!/bin/sh\necho "tool $1"\n';
  const dir = t.testdir({ ...files, node_modules: { '.package-lock.json': lock, '.bin': { tool } } });
  await run('chmod', ['755', join(dir, 'node_modules', '.bin', 'tool')]);
  const launch = launcherIn(dir);
  t.equal(await launch(['tool', 'x']), 'tool x\n');
  await t.rejects(launch(['nothing']), /nothing could not be started/);
  await t.rejects(launch([]), /usage: node cli\/run\.js/);
});

function callsOf(dir: string): number {
  try {
    return readFileSync(join(dir, 'calls'), 'utf8').trim().split('\n').length;
  } catch {
    return 0;
  }
}
