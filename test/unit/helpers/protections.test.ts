/** The control runs of the laboratory change the source of the proxy: what they look for has to be there. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { protectionNames, protections, withoutProtection } from '../../faults/protections.ts';
import { textOf } from '../../helpers/source-tree.ts';

t.test('each protection is in its file exactly once', async (t) => {
  for (const name of protectionNames) {
    for (const { file, find } of protections[name].edits) t.equal(textOf(file).split(find).length - 1, 1, name);
  }
});

t.test('a process starts without any of them, and with none that nobody knows', async (t) => {
  const start = (flags: readonly string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '-'], {
      input: `await import(${JSON.stringify(new URL('../../../src/proxy/proxy.ts', import.meta.url).href)})`,
      env: {},
      encoding: 'utf8',
    });
    return { status, stderr };
  };
  t.strictSame(start(withoutProtection(...protectionNames)), { status: 0, stderr: '' });
  const unknown = start(withoutProtection('fsync').map((flag) => flag.replace('fsync', 'sync')));
  t.equal(unknown.status, 1);
  t.match(unknown.stderr, 'no protection is called sync');
});
