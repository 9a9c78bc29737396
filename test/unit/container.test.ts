/** The Dockerfile, where no container engine is at hand: its rules, its paths, and its health check, which is run. */
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { Authority } from '../helpers/authority.ts';
import { projectDir } from '../helpers/cache.ts';
import { run } from '../helpers/command.ts';
import { writeSecret } from '../helpers/secret-file.ts';
import { textOf, trackedFiles } from '../helpers/source-tree.ts';

interface Instruction {
  name: string;
  flags: string[];
  text: string;
  line: number;
}

/** Instructions with their continuation lines joined and their flags apart; comments go. */
function instructionsOf(dockerfile: string): Instruction[] {
  const found: Instruction[] = [];
  let start = 0;
  let pending = '';
  for (const [at, line] of dockerfile.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    if (pending === '') start = at + 1;
    pending += line.replace(/\\$/, '');
    if (line.endsWith('\\')) continue;
    const [name = '', ...words] = pending.trim().split(/\s+/);
    const flags = words.slice(
      0,
      words.findIndex((word) => !word.startsWith('--')),
    );
    const text = words.slice(flags.length).join(' ');
    found.push({ name, flags, text, line: start });
    pending = '';
  }
  return found;
}

const instructions = instructionsOf(textOf('Dockerfile'));
const named = (name: string) => instructions.filter((one) => one.name === name);
const known = ['FROM', 'LABEL', 'ENV', 'WORKDIR', 'COPY', 'RUN', 'USER', 'VOLUME', 'EXPOSE', 'STOPSIGNAL', 'CMD'];

t.test('every instruction is one that Docker knows, in an order that works', async (t) => {
  for (const { name, line } of instructions) t.ok([...known, 'HEALTHCHECK'].includes(name), `line ${line}: ${name}`);
  t.equal(instructions[0]?.name, 'FROM');
  const names = instructions.map((one) => one.name);
  t.ok(names.lastIndexOf('RUN') < names.lastIndexOf('USER'), 'nothing is run for the image after root is given up');
  for (const single of ['CMD', 'HEALTHCHECK', 'USER']) t.equal(named(single).length, 1, `one ${single}`);
});

t.test('each stage starts from a pinned image whose Node is the one that is tested', async (t) => {
  const manifest = JSON.parse(textOf('package.json'));
  for (const { text, line } of named('FROM')) {
    t.equal(/^node:([\d.]+)-bookworm-slim/.exec(text)?.[1], manifest.devDependencies.node, `line ${line}`);
  }
});

t.test('the container runs as a numbered user that is not root', async (t) => {
  t.match(named('USER')[0]?.text, /^[1-9]\d*:[1-9]\d*$/);
});

t.test('what is copied exists, is tracked, and reaches the builder', async (t) => {
  const tracked = await trackedFiles();
  const ignore = textOf('.dockerignore').split('\n');
  t.ok(ignore.includes('*'), 'all is left out but what is named');
  const stages = named('FROM').map((one) => / AS (\w+)$/.exec(one.text)?.[1]);
  for (const { flags, text, line } of named('COPY')) {
    const sources = text.split(' ').slice(0, -1);
    const from = flags.find((flag) => flag.startsWith('--from='))?.slice('--from='.length);
    if (from !== undefined) {
      t.ok(stages.includes(from), `line ${line}: stage ${from}`);
      continue;
    }
    for (const source of sources) {
      t.ok(existsSync(join(projectDir, source)), `line ${line}: ${source} exists`);
      t.ok(
        tracked.some((file) => file === source || file.startsWith(`${source}/`)),
        `line ${line}: ${source} is tracked`,
      );
      t.ok(ignore.includes(`!${source}`), `line ${line}: .dockerignore lets ${source} through`);
    }
  }
});

t.test('all that the commands name is copied', async (t) => {
  const paths = [...textOf('Dockerfile').matchAll(/(?:"|\/app\/)((?:src|cli|config)\/[\w./-]+)/g)].map((one) => one[1]);
  t.ok(paths.length >= 2);
  for (const path of paths) t.ok(existsSync(join(projectDir, path ?? '')), `${path} exists`);
  t.match(textOf('cli/main.ts'), /^#!\/usr\/bin\/env node\n/, 'the linked command can be run');
});

t.test('commands are in exec form, so that signals reach the proxy', async (t) => {
  t.strictSame(JSON.parse(named('CMD')[0]?.text ?? ''), ['node', 'src/main.ts']);
});

t.test('a missing package cannot hide among the tools of development', async (t) => {
  const { dependencies } = JSON.parse(textOf('package.json'));
  const sources = (await trackedFiles()).filter((file) => /^(src|cli)\/.*\.ts$/.test(file));
  const imported = sources.flatMap((file) => [...textOf(file).matchAll(/\bfrom '([^'.][^']*)'/g)].map((one) => one[1]));
  const packages = imported.filter((name) => name !== undefined && !name.startsWith('node:'));
  const names = packages.map((name) => /^(@[^/]+\/)?[^/]+/.exec(name ?? '')?.[0] ?? '');
  t.strictSame(
    [...new Set(names)].filter((name) => dependencies[name] === undefined),
    [],
  );
});

t.test('the image holds no tools of development, and says its version', async (t) => {
  const { version } = JSON.parse(textOf('package.json'));
  const runs = named('RUN').map((one) => one.text);
  t.ok(runs.some((text) => text.startsWith('npm ci --omit=dev ')));
  for (const { text } of named('COPY')) t.notMatch(text, /\btest\b|tsconfig|biome/);
  t.match(named('LABEL')[0]?.text, `org.opencontainers.image.version="${version}"`);
});

/** What the health check says of an admin port, by its exit code. */
async function healthOf(environment: NodeJS.ProcessEnv): Promise<number> {
  const [, command = ''] = /^CMD (.*)$/.exec(named('HEALTHCHECK')[0]?.text ?? '') ?? [];
  const [node, ...args] = JSON.parse(command);
  if (node !== 'node') throw new Error(`${node} is not in the image`);
  const running = run(process.execPath, args, { cwd: projectDir, env: environment });
  return running.then(
    () => 0,
    (error: { exitCode: number }) => error.exitCode,
  );
}

t.test('the health check is true to readyz', async (t) => {
  let status = 200;
  const paths: (string | undefined)[] = [];
  const server = createServer((request, answer) => {
    paths.push(request.url);
    answer.writeHead(status).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const admin = { LOGSEAL_ADMIN_LISTEN: `127.0.0.1:${(server.address() as AddressInfo).port}` };
  t.equal(await healthOf(admin), 0, 'healthy at 200');
  status = 503;
  t.equal(await healthOf(admin), 1, 'not healthy at 503');
  server.close();
  server.closeAllConnections();
  t.equal(await healthOf(admin), 3, 'not healthy when nothing answers');
  t.strictSame(paths, ['/readyz', '/readyz']);
});

t.test('the health check follows the configuration to a port with TLS and a token', async (t) => {
  const dir = t.testdir();
  const identity = new Authority('servers').issue({ name: 'proxy', for: 'server', dnsNames: ['proxy.example'] });
  const tls = {
    LOGSEAL_TLS_CERTIFICATE_FILE: writeSecret(join(dir, 'server.pem'), identity.certificate),
    LOGSEAL_TLS_KEY_FILE: writeSecret(join(dir, 'server.key'), identity.key),
    LOGSEAL_ADMIN_TOKEN_FILE: writeSecret(join(dir, 'token'), 'token-of-the-admin-port\n'),
  };
  const tokens: (string | undefined)[] = [];
  const server = createSecureServer({ cert: identity.certificate, key: identity.key }, (request, answer) => {
    tokens.push(request.headers.authorization);
    answer.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const admin = { LOGSEAL_ADMIN_LISTEN: `0.0.0.0:${(server.address() as AddressInfo).port}` };
  t.equal(await healthOf({ ...tls, ...admin }), 0);
  t.strictSame(tokens, ['Bearer token-of-the-admin-port']);
  server.close();
});
