/** The counting behind the closing line of `npm test`: what it miscounts, nobody sees. */
import t from 'tap';
import { TapReport } from '../../helpers/tap-report.ts';

function reportOf(tap: string): { report: TapReport; printed: string } {
  let printed = '';
  const report = new TapReport((text) => {
    printed += text;
  });
  for (const line of tap.split('\n')) report.line(line);
  return { report, printed };
}

const passing = `# Subtest: test/unit/a.test.ts
    # Subtest: it holds
        ok 1 - should be equal
        # Subtest: inside
            ok 1 - should be equal
            1..1
        ok 2 - inside # time=1ms
        1..2
    ok 1 - it holds # time=2ms
    ok 2 - it waits # SKIP NOT RUN: no engine
    ok 3 - an assertion of the file itself
    1..3
ok 1 - test/unit/a.test.ts # time=1234ms
`;

t.test('what stands directly in a file is counted, skips by their reason', async (t) => {
  const { report, printed } = reportOf(passing);
  t.match(report, { passed: 2, failed: 0, skipped: 1 });
  t.strictSame([...report.skips], [['NOT RUN: no engine', 1]]);
  t.equal(printed, 'ok - test/unit/a.test.ts (2 passed, 1 skipped, 1.2 s)\n');
});

t.test('a failing file is printed with its failures and what they say', async (t) => {
  const { report, printed } = reportOf(`${passing}# Subtest: test/unit/b.test.ts
    # Subtest: it fails
        ok 1 - so far
        not ok 2 - same?
          ---
          diff: one is not two
          ...
        1..2
    not ok 1 - it fails # time=2ms
    ok 2 - it holds
    1..2
not ok 2 - test/unit/b.test.ts # time=20ms
`);
  t.match(report, { passed: 3, failed: 1, skipped: 1 });
  t.match(printed, /not ok - test\/unit\/b\.test\.ts \(1 passed, 1 FAILED, 0\.0 s\)\n/);
  t.match(printed, /not ok 2 - same\?\n {10}---\n {10}diff: one is not two/);
  t.notMatch(printed, /so far/);
});

t.test('a file that crashed, hung or could not be loaded is one failure', async (t) => {
  const { report } = reportOf(`# Subtest: test/unit/c.test.ts
    1..0 # no tests found
not ok 1 - test/unit/c.test.ts # time=525.599ms
  ---
  exitCode: null
  signal: SIGKILL
  ...
not ok 2 - timeout!
`);
  t.match(report, { passed: 0, failed: 1, skipped: 0 });
});
