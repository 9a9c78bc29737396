import t from 'tap';
import { chainNaming } from '../../../src/sequencer/chain-rule.ts';

t.test('a destination loses its date, number or rollover suffix, so that one chain has one retention', async (t) => {
  const nameOf = chainNaming([]);
  const cases: [string, string][] = [
    ['logstash-2026.11.23', 'logstash'],
    ['logstash-2026.11', 'logstash'],
    ['app-2026-11-23', 'app'],
    ['app_20261123', 'app'],
    ['app-2026.w47', 'app'],
    ['app-000001', 'app'],
    ['app-2026.11.23-000007', 'app'],
    ['logs-app-default', 'logs-app-default'],
    ['web', 'web'],
    ['2026', '2026'],
    ['control-2026.11.23', 'control-2026.11.23'],
  ];
  for (const [dest, chain] of cases) t.equal(nameOf(dest), chain, dest);
});

t.test('the first rule that matches decides', async (t) => {
  const nameOf = chainNaming([
    { pattern: 'audit-*', chain: 'audit' },
    { pattern: '*-prod-*', chain: 'prod' },
  ]);
  t.equal(nameOf('audit-prod-1'), 'audit');
  t.equal(nameOf('web-prod-2026.11.23'), 'prod');
  t.equal(nameOf('web.prod-2026.11.23'), 'web.prod');
});

t.test('a dot in a pattern is a dot', async (t) => {
  const nameOf = chainNaming([{ pattern: 'a.b', chain: 'x' }]);
  t.equal(nameOf('a.b'), 'x');
  t.equal(nameOf('aXb'), 'aXb');
});

t.test('answers stay right after the cache was full', async (t) => {
  const nameOf = chainNaming([]);
  for (let number = 0; number < 5000; number += 1) nameOf(`d${number}x-1`);
  t.equal(nameOf('d1x-1'), 'd1x');
});
