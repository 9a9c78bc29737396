/** The closed list of error codes: each is thrown somewhere, and the manual has a cause and a cure for each. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { errorCodes, LogsealError } from '../../src/errors.ts';
import { projectDir } from '../helpers/cache.ts';
import { textOf, trackedFiles } from '../helpers/source-tree.ts';

const page = await readFile(join(projectDir, 'docs', 'errors.md'), 'utf8');
const table = page.slice(page.indexOf('<!-- codes:'), page.indexOf('## What Elasticsearch answers'));
const rows = [...table.matchAll(/^\| `([A-Z_]+)` \| (\w+) \| (.*?) \| (.*?) \|$/gm)];

t.test('docs/errors.md has every code once, in order, with what then happens, cause and cure', async (t) => {
  const codes = Object.keys(errorCodes);
  t.strictSame(rows.map(([, code]) => code).sort(), codes.sort());
  for (const [, code = '', then, cause = '', cure = ''] of rows) {
    t.equal(then, new LogsealError(code as never, '').disposition, code);
    for (const text of [cause, cure]) t.ok(text.trim().length > 15 && text.endsWith('.'), `${code}: ${text}`);
    t.not(cause, cure);
  }
});

t.test('every code is thrown somewhere', async (t) => {
  const files = (await trackedFiles()).filter((file) => /^(src|cli)\/.*\.ts$/.test(file) && file !== 'src/errors.ts');
  const text = files.map((file) => textOf(file)).join('\n');
  for (const code of Object.keys(errorCodes)) {
    // Made where it is thrown, or handed to the one function of its module that makes it.
    const made = new RegExp(
      `LogsealError\\(\\s*(?:[\\w.]+ \\? '\\w+' : )?'${code}'|[a-z]\\w*\\('${code}'|\\? '${code}'`,
    );
    t.ok(made.test(text), code);
  }
});
