/**
 * `npm run -s sbom`: the bill of materials of what runs, as CycloneDX. npm lists everything, tools of development marked as such,
 * and these are taken out here: told to leave them out itself (`--omit=dev`, npm 11.19) it also drops packages that a tool shares.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import packageFile from '../package.json' with { type: 'json' };

interface Component {
  readonly 'bom-ref': string;
  readonly properties?: readonly { readonly name: string }[];
}

interface Bill {
  readonly metadata: { readonly component: object };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const outputBytesMax = 64 * 1024 * 1024;
const options = ['--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application'];
const cwd = join(import.meta.dirname, '..');
const all: Bill = JSON.parse(
  execFileSync('npm', ['sbom', ...options], { cwd, encoding: 'utf8', maxBuffer: outputBytesMax }),
);
const isTool = ({ properties = [] }: Component) => properties.some((one) => one.name.endsWith(':development'));
const tools = new Set(all.components.filter(isTool).map((one) => one['bom-ref']));
const bill = {
  ...all,
  // npm names it after the folder.
  metadata: { ...all.metadata, component: { ...all.metadata.component, name: packageFile.name } },
  components: all.components.filter((one) => !isTool(one)),
  dependencies: all.dependencies
    .filter(({ ref }) => !tools.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((name) => !tools.has(name)) })),
};
process.stdout.write(`${JSON.stringify(bill, null, 2)}\n`);
