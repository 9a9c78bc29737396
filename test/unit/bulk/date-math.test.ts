import t from 'tap';
import { resolveDateMath } from '../../../src/bulk/date-math.ts';
import { nameProblem, resolveName, streamBehind } from '../../../src/bulk/index-name.ts';

// A Thursday in a leap year, in week 9.
const leapDay = Date.UTC(2024, 1, 29, 22, 22, 22, 222);
const resolve = (expression: string, nowMs = leapDay) => {
  const found = resolveDateMath(expression, nowMs);
  return 'name' in found ? found.name : `? ${found.problem}`;
};

t.test('expressions mean what the manual of Elasticsearch says', async (t) => {
  const cases: [string, string][] = [
    ['<logs-{now/d}>', 'logs-2024.02.29'],
    ['<logs-{now/M}>', 'logs-2024.02.01'],
    ['<logs-{now/M{yyyy.MM}}>', 'logs-2024.02'],
    ['<logs-{now/M-1M{yyyy.MM}}>', 'logs-2024.01'],
    ['<logs-{now/d{yyyy.MM.dd|+12:00}}>', 'logs-2024.03.01'],
    ['<logs-{now/d{yyyy.MM.dd|Asia/Tokyo}}>', 'logs-2024.03.01'],
    ['<logs-{now/d{yyyy.MM.dd|UTC}}>', 'logs-2024.02.29'],
    ['<logs-{now/d{yyyy.MM.dd|Europe/London}}>', 'logs-2024.02.29'],
    ['<logs-{now/d{yyyy.MM.dd|-23:00}}>', 'logs-2024.02.28'],
    ['<elastic\\{ON\\}-{now/M}>', 'elastic{ON}-2024.02.01'],
    ['<a-{now-1y/y{uuuu}}-b>', 'a-2023-b'],
    ['<a-{now+1y{yyyy-MM-dd}}>', 'a-2025-02-28'],
    ['<a-{now/w{xxxx.ww}}>', 'a-2024.09'],
    ['<a-{now/w}>', 'a-2024.02.26'],
    ['<a-{now+w{YY-e}}>', 'a-24-4'],
    ['<a-{now/h-3h+5m-22s{yyMMdd-HHmmss}}>', 'a-240229-190438'],
    ['<a-{now/m+2d{D.DDD.H.m.s}}>', 'a-62.062.22.22.0'],
    ["<a-{now/s{yyyy'w'ww}}>", 'a-2024w09'],
    ['<a-{now/H{HH}}-{now/d{dd}}>', 'a-22-29'],
    ['<plain>', 'plain'],
  ];
  for (const [expression, name] of cases) t.equal(resolve(expression), name, expression);
});

t.test('the last days of a year can belong to a week of the next', async (t) => {
  t.equal(resolve('<a-{now{xxxx.ww}}>', Date.UTC(2024, 11, 30)), 'a-2025.01');
  t.equal(resolve('<a-{now{xxxx.ww}}>', Date.UTC(2027, 0, 3)), 'a-2026.53');
});

t.test('what is no expression is told, never thrown', async (t) => {
  const broken = [
    '<>',
    '<a-{now/d>',
    '<a-}>',
    '<a-{now/d{yyyy}>',
    '<a-{now/d{}}>',
    '<a-{then/d}>',
    '<a-{now/q}>',
    '<a-{now*d}>',
    '<a-{now/d{yyyy|Mars/Base}}>',
    '<a-{now/d{MMM}}>',
    '<a-{now/d{yyyyyyyy}}>',
    '<a-{now/d{Q}}>',
    '<a-{now+999999999y}>',
    '<a-{now-9999y}>',
    '<a-{now/d{yyyy}x}>',
  ];
  for (const expression of broken) t.match(resolve(expression), /^\? ./, expression);
});

t.test('the resolved name is checked like any other', async (t) => {
  t.same(resolveName('<logs-{now/d}>', leapDay), { dest: 'logs-2024.02.29' });
  t.match(resolveName('<Logs-{now/d}>', leapDay), {
    error: { reason: 'Invalid index name [Logs-2024.02.29], must be lowercase' },
  });
  t.match(resolveName('<logs-{now/q}>', leapDay), {
    error: { type: 'invalid_index_name_exception', index: '<logs-{now/q}>' },
  });
  t.equal(nameProblem('<half'), `must not contain the following characters [' ','"','*',',','/','<','>','?','\\','|']`);
  t.equal(nameProblem('.ok-ä'), undefined);
});

t.test('backing indices name their stream', async (t) => {
  t.equal(streamBehind('.ds-logs-app-default-2026.11.23-000042'), 'logs-app-default');
  t.equal(streamBehind('partial-restored-.ds-logs-2026.11.23-000042'), 'logs');
  t.equal(streamBehind('shrink-ab1c-.ds-logs-2026.11.23-000042'), 'logs');
  t.equal(streamBehind('.ds-logs'), undefined);
});
