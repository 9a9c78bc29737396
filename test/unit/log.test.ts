import t from 'tap';
import { LogsealError } from '../../src/errors.ts';
import { createEventLog, events } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { textOf, trackedFiles } from '../helpers/source-tree.ts';

function written() {
  const lines: string[] = [];
  return { lines, write: (line: string) => void lines.push(line) };
}

t.test('an event is one JSON line with level, time, name and sentence', async (t) => {
  const kept = written();
  const log = createEventLog('info', kept);
  log.event('proxy-ready', { listen: '127.0.0.1:9280' });
  log.event('checkpoint-published', { entry: 1 });
  log.setLevel('debug');
  log.event('checkpoint-published', { entry: 2 });
  t.equal(kept.lines.length, 2, 'below the level nothing is written');
  t.match(kept.lines[0], /\n$/);
  t.match(JSON.parse(kept.lines[0] ?? ''), {
    level: 'info',
    time: /^\d{4}-\d\d-\d\dT/,
    event: 'proxy-ready',
    listen: '127.0.0.1:9280',
    message: events['proxy-ready'][1],
  });
});

t.test('secrets and bodies are taken out of a line, at the top and one level down', async (t) => {
  const kept = written();
  createEventLog('info', kept).event('request-failed', {
    authorization: 'hunter2',
    headers: { authorization: 'hunter2', cookie: 'hunter2', accept: 'x' },
    upstream: { apiKey: 'hunter2', password: 'hunter2' },
    key: 'hunter2',
    body: 'hunter2',
  });
  t.notMatch(kept.lines[0], /hunter2/);
  t.match(kept.lines[0], /"accept":"x"/);
});

t.test('an expected error is code, sentence and causes; an unexpected one has its stack', async (t) => {
  const kept = written();
  const log = createEventLog('info', kept);
  const cause = new Error('reset', { cause: new Error('cable') });
  log.event('proxy-failed', { error: new LogsealError('WAL_FAILED', 'segment 1', { cause, segment: 1 }) });
  log.event('internal-error', { error: Object.assign(new TypeError('bug'), { code: 'E' }) });
  log.event('internal-error', { error: 'text' });
  const errors = kept.lines.map((line) => JSON.parse(line).error);
  t.strictSame(errors[0], {
    code: 'WAL_FAILED',
    message: 'segment 1',
    causes: ['reset', 'cable'],
    details: { segment: 1 },
  });
  t.match(errors[1], { message: 'bug', code: 'E', stack: /log\.test\.ts/ });
  t.equal(errors[2], 'text');
});

t.test('event names are kebab-case and their sentences say something', async (t) => {
  for (const [name, [, sentence]] of Object.entries(events)) {
    t.match(name, /^[a-z]+(-[a-z]+)+$/);
    t.ok(sentence.length > 5 && !sentence.endsWith('.'));
  }
});

t.test('every event of the list is written somewhere', async (t) => {
  const files = (await trackedFiles()).filter((file) => /^src\/.*\.ts$/.test(file) && file !== 'src/log.ts');
  const text = files.map((file) => textOf(file)).join('\n');
  for (const name of Object.keys(events)) t.ok(text.includes(`'${name}'`), name);
});

t.test('metrics are counted in a registry of their own', async (t) => {
  const one = createMetrics({ processMetrics: false });
  const other = createMetrics();
  one.recordsSigned.inc({ kind: 'data' }, 5);
  one.requests.inc({ kind: 'bulk', status: '2xx' });
  one.logAppendSeconds.observe(0.001);
  t.match(await one.text(), /^logseal_records_signed_total\{kind="data"\} 5$/m);
  t.match(await one.text(), /^logseal_requests_total\{kind="bulk",status="2xx"\} 1$/m);
  t.match(await other.text(), /^logseal_records_received_total 0$/m);
  t.match(await other.text(), /^process_cpu_seconds_total /m);
  t.match(one.contentType, /^text\/plain/);
});
