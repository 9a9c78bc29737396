import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import t from 'tap';
import { runCommandLine } from '../../../cli/command-line.ts';
import { commands } from '../../../cli/commands.ts';
import { Output, table } from '../../../cli/output.ts';
import { startProgress } from '../../../cli/progress.ts';
import { addSourceOptions, chooseSource } from '../../../cli/source-argument.ts';
import type { Terminal } from '../../../cli/terminal.ts';
import { LogsealError } from '../../../src/errors.ts';
import { Kept, runLogseal } from '../../helpers/terminal.ts';

const main = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));

function terminal(): Terminal & { stdout: Kept; stderr: Kept } {
  return { stdin: Readable.from([]), stdout: new Kept(), stderr: new Kept(), environment: {}, exitCode: 0 };
}

t.test('help and version go to stdout and end with 0', async (t) => {
  for (const argv of [['--help'], ['help'], ['help', 'config'], ['config', '--help'], ['config', 'show', '--help']]) {
    const ran = await runLogseal(argv);
    t.match(ran, { exitCode: 0, stdout: /^Usage: logseal/, stderr: '' }, argv.join(' '));
  }
  t.match(await runLogseal(['--version']), { exitCode: 0, stdout: /^\d+\.\d+\.\d+\n$/ });
  const { stdout } = await runLogseal(['--help']);
  for (const { name, summary } of commands) {
    t.match(stdout.replace(/\s+/g, ' '), ` ${name} ${summary}`, `${name} is listed`);
    t.match(await runLogseal([name, '--help']), {
      exitCode: 0,
      stdout: new RegExp(`^Usage: logseal ${name} `),
      stderr: '',
    });
  }
});

t.test('wrong usage ends with 3 and one sentence on stderr', async (t) => {
  const wrong: [string[], RegExp][] = [
    [[], /name a command/],
    [['confg'], /unknown command 'confg' \(Did you mean config\?\)/],
    [['config'], /name a command/],
    [['config', 'chek'], /unknown command 'chek' \(Did you mean check\?\)/],
    [['config', 'check', '--jsn'], /unknown option '--jsn'/],
    [['config', 'check', 'extra'], /too many arguments/],
    [['--bogus'], /unknown option '--bogus'/],
    [['config', 'check', '--config'], /argument missing/],
  ];
  for (const [argv, sentence] of wrong) {
    const ran = await runLogseal(argv);
    t.match(ran, { exitCode: 3, stdout: '', stderr: sentence }, argv.join(' '));
    t.match(ran.stderr, /^logseal: [^\n]+\n$/, 'one line');
  }
});

t.test(
  'expected failures are a sentence, unexpected ones name their place, a reader that is gone says nothing',
  async (t) => {
    const failing = async (error: unknown) => {
      const given = terminal();
      const register = (program: Command) => {
        program.command('fail').action(() => {
          throw error;
        });
      };
      await runCommandLine(['fail'], given, [{ name: 'fail', summary: 's', load: async () => ({ register }) }]);
      return { exitCode: given.exitCode, stderr: given.stderr.text };
    };
    t.strictSame(await failing(new LogsealError('DATA_DIR_INVALID', 'no such thing')), {
      exitCode: 3,
      stderr: 'logseal: no such thing\n',
    });
    t.match(await failing(Object.assign(new Error('ENOENT: x'), { syscall: 'open' })), {
      exitCode: 3,
      stderr: 'logseal: ENOENT: x\n',
    });
    t.match(await failing(new TypeError('bug')), { exitCode: 3, stderr: /unexpected TypeError: bug\n +at / });
    t.match(await failing('text'), { exitCode: 3, stderr: /unexpected text/ });
  },
);

t.test('config check names every problem and config show the source of every value', async (t) => {
  const file = join(t.testdir({ 'logseal.yaml': 'ack: store\n' }), 'logseal.yaml');
  t.match(await runLogseal(['config', 'check']), { exitCode: 0, stdout: /no file/ });
  t.match(await runLogseal(['config', 'check'], { LOGSEAL_ACK: 'x', LOGSEAL_WALKEEP: '1h' }), {
    exitCode: 3,
    stderr: /2 problems in the configuration\n.*LOGSEAL_WALKEEP.*\n.*LOGSEAL_ACK/,
  });
  t.match((await runLogseal(['config', 'show', '--config', file])).stdout, new RegExp(`^ack +store +${file}:1$`, 'm'));
  const json = (await runLogseal(['config', 'show', '--json'], { LOGSEAL_CONFIG: file, LOGSEAL_WAL_KEEP: '2h' }))
    .stdout;
  const settings = json
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.strictSame(
    settings.find(({ key }) => key === 'wal.keep'),
    { type: 'setting', v: 1, key: 'wal.keep', value: 7_200_000, origin: 'LOGSEAL_WAL_KEEP' },
  );
});

t.test('the real process ends with the code of its command, also when the reader of its output leaves', async (t) => {
  const exit = (argv: string[], read: boolean) =>
    new Promise<[number | null, string]>((resolve) => {
      const child = spawn(process.execPath, [main, ...argv], { env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
      let errors = '';
      child.stderr.on('data', (chunk) => {
        errors += chunk;
      });
      if (read) child.stdout.resume();
      else child.stdout.destroy();
      child.on('close', (code) => resolve([code, errors]));
    });
  t.strictSame(await exit(['config', 'check'], true), [0, '']);
  t.match(await exit(['config', 'chek'], true), [3, /unknown command/]);
  t.strictSame(await exit(['config', 'show', '--json'], false), [0, '']);
});

t.test('output waits for a slow reader', async (t) => {
  const written: string[] = [];
  const release: (() => void)[] = [];
  const slow = new Writable({
    highWaterMark: 1,
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      release.push(done);
    },
  });
  const output = new Output(slow);
  let ended = false;
  const writing = (async () => {
    await output.json({ a: 1 });
    await output.line('b');
    ended = true;
  })();
  await new Promise(setImmediate);
  t.strictSame(written, ['{"a":1}\n']);
  t.equal(ended, false);
  release.shift()?.();
  await new Promise(setImmediate);
  release.shift()?.();
  await writing;
  t.strictSame(written, ['{"a":1}\n', 'b\n']);
  slow.destroy(new Error('broken'));
  await new Promise(setImmediate);
  await t.rejects(output.line('c'), /broken/);
  t.strictSame(
    table([
      ['a', 'bb'],
      ['ccc', ''],
    ]),
    ['a    bb', 'ccc'],
  );
});

t.test('progress is shown on a terminal, with rate and time left, and nowhere else', async (t) => {
  const quiet = terminal();
  const none = startProgress(quiet, 'verifying', 'records');
  none.update(5, 10);
  none.stop();
  t.equal(quiet.stderr.text, '');
  const shown = terminal();
  shown.stderr.isTTY = true;
  Object.assign(shown.stderr, { cursorTo() {}, clearLine() {}, moveCursor() {} });
  const progress = startProgress(shown, 'verifying', 'records');
  progress.update(5000, 10_000);
  progress.update(7500);
  progress.stop();
  t.match(shown.stderr.text, /verifying █+░+ 75 % · 7,500 of 10,000 records · [\d,]+ records\/s · \d+ s left/);
  t.equal(shown.stdout.text, '');
});

t.test('SOURCE is a URL, a data directory, a file or -, and without it the configuration decides', async (t) => {
  const dir = t.testdir({ 'export.ndjson': '', cluster: { 'instance.json': '{}' }, empty: {}, password: 'p' });
  const dataDir = join(dir, 'data');
  mkdirSync(join(dataDir, 'store'), { recursive: true });
  writeFileSync(join(dataDir, 'store', 'logseal.sqlite'), '');
  const choose = (source: string | undefined, options = {}, environment: Record<string, string> = {}) =>
    chooseSource(source, options, { environment });
  const storePath = join(dataDir, 'store', 'logseal.sqlite');
  t.match(choose('https://es:9200'), { kind: 'search', config: { elasticsearch: { url: ['https://es:9200'] } } });
  t.match(choose(dataDir, {}, { LOGSEAL_ELASTICSEARCH_URL: 'http://es:9200' }), {
    kind: 'store',
    dataDir,
    path: storePath,
  });
  t.match(choose(join(dir, 'export.ndjson')), { kind: 'ndjson', path: join(dir, 'export.ndjson') });
  t.match(choose('-'), { kind: 'ndjson', path: '-' });
  t.match(choose(undefined, {}, { LOGSEAL_DATA_DIR: dataDir }), { kind: 'store', dataDir });
  t.match(choose(undefined, { dataDir }), { kind: 'store', dataDir });
  t.match(choose(undefined, { dataDir }, { LOGSEAL_ELASTICSEARCH_URL: 'http://a:1,http://b:1' }), { kind: 'search' });
  t.match(choose(undefined, { elasticsearchUrl: 'http://c:1', elasticsearchRequestTimeout: '5s' }), {
    kind: 'search',
    config: { elasticsearch: { url: ['http://c:1'], requestTimeout: 5000 } },
  });
  t.throws(() => choose(join(dir, 'none')), { code: 'USAGE', message: /neither an Elasticsearch URL nor/ });
  t.throws(() => choose(join(dir, 'empty')), { code: 'USAGE', message: /no data directory of a proxy/ });
  t.throws(() => choose(join(dir, 'cluster')), { code: 'USAGE', message: /give the Elasticsearch URL/ });
  t.throws(() => choose('http://u:p@es:9200'), { code: 'CONFIG_INVALID' });

  const given = terminal();
  let chosen: unknown;
  const register = (program: Command) => {
    addSourceOptions(program.command('read')).action((source, options) => {
      chosen = chooseSource(source, options, given);
    });
  };
  const argv = [
    'read',
    '--elasticsearch-username',
    'u',
    '--elasticsearch-password-file',
    join(dir, 'password'),
    '--secrets-permissions',
    'any',
    'http://x:1',
  ];
  await runCommandLine(argv, given, [{ name: 'read', summary: '', load: async () => ({ register }) }]);
  t.equal(given.stderr.text, '');
  t.match(chosen, {
    kind: 'search',
    config: { elasticsearch: { username: 'u', passwordFile: join(dir, 'password') } },
  });
});
