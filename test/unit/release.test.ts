/** What goes out with a release beside the code: the bill of materials, and versions that agree. */
import t from 'tap';
import { projectDir } from '../helpers/cache.ts';
import { run } from '../helpers/command.ts';
import { textOf } from '../helpers/source-tree.ts';

interface Bill {
  bomFormat: string;
  metadata: { component: { name: string; purl: string } };
  components: { name: string; version: string; hashes?: { alg: string; content: string }[] }[];
}

const manifest = JSON.parse(textOf('package.json'));
const lock = JSON.parse(textOf('package-lock.json'));

t.test('the bill of materials names every direct dependency with its exact version, and no tool', async (t) => {
  const bill = JSON.parse(await run('npm', ['run', '-s', 'sbom'], { cwd: projectDir })) as Bill;
  t.equal(bill.bomFormat, 'CycloneDX');
  t.equal(bill.metadata.component.name, manifest.name);
  t.equal(bill.metadata.component.purl, `pkg:npm/logseal@${manifest.version}`);
  for (const version of Object.values(manifest.dependencies)) t.match(version, /^\d+\.\d+\.\d+$/, 'exact');
  const direct = Object.entries(manifest.dependencies).map(([name, version]) => `${name}@${version}`);
  const listed = bill.components.map(({ name, version }) => `${name}@${version}`).sort();
  t.strictSame(
    direct.filter((one) => !listed.includes(one)),
    [],
    'each that we name',
  );
  const locked = Object.entries(lock.packages as Record<string, { version: string; dev?: true }>)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')}@${version}`);
  t.strictSame(listed, [...new Set(locked)].sort(), 'and all that they bring, as locked');
  t.strictSame(
    bill.components.filter(({ hashes }) => hashes?.[0]?.alg !== 'SHA-512').map(({ name }) => name),
    [],
    'each with its hash',
  );
});

t.test('package, lock and image have one version', async (t) => {
  t.equal(lock.version, manifest.version);
  t.match(textOf('Dockerfile'), `org.opencontainers.image.version="${manifest.version}"`);
});

t.test('every command that the steps of a release name is there', async (t) => {
  const named = [...textOf('docs/releasing.md').matchAll(/`npm run (?:-s )?([\w:]+)/g)].map((one) => one[1] ?? '');
  t.ok(named.length >= 4);
  for (const name of named) t.type(manifest.scripts[name], 'string', name);
});
