/**
 * The alert rules and the dashboard that are shipped, judged by Prometheus' own tool: they parse, each alert fires when it should
 * and only then, and nothing names a metric that the proxy does not have.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { createMetrics } from '../../src/metrics.ts';
import { projectDir } from '../helpers/cache.ts';
import { promtool, promtoolMissing } from '../helpers/promtool.ts';

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}

interface Panel {
  type: string;
  title: string;
  targets?: { expr: string }[];
}

/** Series by name with labels; the proxy's own labels are added. Values in promtool's notation, one a minute. */
interface Case {
  fires: Record<string, string>;
  quiet: Record<string, string>;
  /** Of the alert, beside instance and severity. */
  labels?: Record<string, string>;
  /** When it is looked at. */
  at?: string;
}

const path = join(projectDir, 'config', 'prometheus', 'logseal.rules.yml');
const rules = (parse(await readFile(path, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap((g) => g.rules);
const dashboard = JSON.parse(await readFile(join(projectDir, 'config', 'grafana', 'logseal.json'), 'utf8'));
const panels = (dashboard as { panels: Panel[] }).panels;
const expressions = panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => ({ title: panel.title, expr })));
const skip = promtoolMissing() ?? false;

/** The clock of promtool starts at 0. */
const cases: Record<string, Case> = {
  LogsealDown: { fires: { up: '0x60' }, quiet: { up: '1x60' } },
  LogsealRestarts: {
    fires: { process_start_time_seconds: '0x50 10 20 30 40 50 60 70 80 90 100' },
    quiet: { process_start_time_seconds: '0x50 10x60' },
  },
  LogsealLogFull: { fires: { logseal_log_free_bytes: '0x60' }, quiet: { logseal_log_free_bytes: '1x60' } },
  LogsealLogFillsUp: {
    fires: { logseal_log_free_bytes: '20x60', logseal_log_used_bytes: '80x60' },
    quiet: { logseal_log_free_bytes: '30x60', logseal_log_used_bytes: '70x60' },
  },
  LogsealDiskTooSmall: {
    fires: { logseal_log_free_bytes: '100x60', logseal_disk_free_bytes: '99x60' },
    quiet: { logseal_log_free_bytes: '100x60', logseal_disk_free_bytes: '100x60' },
  },
  LogsealUpstreamDown: { fires: { logseal_upstream_up: '0x60' }, quiet: { logseal_upstream_up: '1x55 0x5' } },
  LogsealUpstreamSlow: {
    fires: {
      'logseal_upstream_request_duration_seconds_bucket{le="2.5"}': '0+10x60',
      'logseal_upstream_request_duration_seconds_bucket{le="10"}': '0+10x60',
      'logseal_upstream_request_duration_seconds_bucket{le="45"}': '0+100x60',
      'logseal_upstream_request_duration_seconds_bucket{le="+Inf"}': '0+100x60',
    },
    quiet: {
      'logseal_upstream_request_duration_seconds_bucket{le="2.5"}': '0+99x60',
      'logseal_upstream_request_duration_seconds_bucket{le="10"}': '0+100x60',
      'logseal_upstream_request_duration_seconds_bucket{le="+Inf"}': '0+100x60',
    },
  },
  LogsealDeliveryLate: {
    fires: { logseal_waiting_oldest_timestamp_seconds: '60x60' },
    quiet: { logseal_waiting_oldest_timestamp_seconds: 'NaN '.repeat(61) },
  },
  LogsealDestinationHeld: {
    fires: { logseal_destinations_held: '1x60' },
    quiet: { logseal_destinations_held: '0x60' },
  },
  LogsealDestinationNotCovered: {
    fires: { logseal_destinations_not_covered: '1x60' },
    quiet: { logseal_destinations_not_covered: '0x60' },
  },
  LogsealRecordsRejected: {
    fires: { 'logseal_records_rejected_total{reason="mapping"}': '0x50 1x10' },
    quiet: { 'logseal_records_rejected_total{reason="mapping"}': '7x60' },
    labels: { reason: 'mapping' },
  },
  LogsealRecordsRefused: {
    fires: {
      'logseal_records_refused_total{reason="other"}': '0+2x60',
      logseal_records_received_total: '0+100x60',
    },
    quiet: {
      'logseal_records_refused_total{reason="other"}': '0+1x60',
      logseal_records_received_total: '0+1000x60',
    },
  },
  LogsealRequestsTurnedAway: {
    fires: { 'logseal_requests_refused_total{reason="LOG_FULL"}': '0+1x60' },
    quiet: { 'logseal_requests_refused_total{reason="REQUEST_REFUSED"}': '0+1x60' },
  },
  LogsealUnexpectedErrors: {
    fires: { 'logseal_requests_refused_total{reason="other"}': '0x55 1x5' },
    quiet: { 'logseal_requests_refused_total{reason="REQUEST_REFUSED"}': '0+1x60' },
    labels: { reason: 'other' },
  },
  LogsealSealOverdue: {
    fires: { logseal_last_seal_timestamp_seconds: '0+60x30 1800x30' },
    quiet: { logseal_last_seal_timestamp_seconds: '0+60x60' },
  },
  LogsealAnchorOverdue: {
    fires: { 'logseal_last_anchor_timestamp_seconds{anchor="search-engine"}': '60x60' },
    quiet: { 'logseal_last_anchor_timestamp_seconds{anchor="search-engine"}': '0+60x60' },
    labels: { anchor: 'search-engine' },
  },
  LogsealFsyncSlow: {
    fires: {
      'logseal_log_fsync_duration_seconds_bucket{le="0.25"}': '0+90x60',
      'logseal_log_fsync_duration_seconds_bucket{le="0.5"}': '0+100x60',
      'logseal_log_fsync_duration_seconds_bucket{le="+Inf"}': '0+100x60',
    },
    quiet: {
      'logseal_log_fsync_duration_seconds_bucket{le="0.1"}': '0+100x60',
      'logseal_log_fsync_duration_seconds_bucket{le="0.25"}': '0+100x60',
      'logseal_log_fsync_duration_seconds_bucket{le="+Inf"}': '0+100x60',
    },
  },
  LogsealCertificateExpires: {
    fires: { 'logseal_certificate_expiry_timestamp_seconds{kind="intake"}': '1000000x180' },
    quiet: { 'logseal_certificate_expiry_timestamp_seconds{kind="intake"}': '9000000x180' },
    labels: { kind: 'intake' },
    at: '2h',
  },
  LogsealReloadFailed: {
    fires: { logseal_config_last_reload_successful: '0x60' },
    quiet: { logseal_config_last_reload_successful: '1x60' },
  },
};

const own = { instance: 'proxy-1', job: 'logseal' };

function series(given: Record<string, string>): { series: string; values: string }[] {
  const labels = `instance="${own.instance}",job="${own.job}"`;
  return Object.entries(given).map(([name, values]) => {
    const [, metric, more] = /^(\w+)(?:\{(.*)\})?$/.exec(name) ?? [];
    return { series: `${metric}{${labels}${more === undefined ? '' : `,${more}`}}`, values };
  });
}

function ruleTest(rule: Rule, { fires, quiet, labels = {}, at = '1h' }: Case): object[] {
  const aggregated = rule.expr.includes('sum by (instance');
  const seen: Record<string, string> = { ...(aggregated ? { instance: own.instance } : own), ...labels };
  const filled = (text: string) => text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => seen[name] ?? '');
  const alert = {
    exp_labels: { ...seen, severity: rule.labels.severity },
    exp_annotations: {
      summary: filled(rule.annotations.summary),
      description: filled(rule.annotations.description),
    },
  };
  return [fires, quiet].map((input, i) => ({
    interval: '1m',
    input_series: series(input),
    alert_rule_test: [{ eval_time: at, alertname: rule.alert, exp_alerts: i === 0 ? [alert] : [] }],
  }));
}

t.test('each alert fires when it should, and not when it should not', { skip }, async (t) => {
  t.strictSame(Object.keys(cases).sort(), rules.map((rule) => rule.alert).sort(), 'each is tried');
  const tests = rules.flatMap((rule) => ruleTest(rule, cases[rule.alert] as Case));
  const file = join(t.testdir(), 'test.yml');
  await writeFile(file, stringify({ rule_files: [path], evaluation_interval: '1m', tests }));
  t.match(await promtool(['check', 'rules', path]), new RegExp(`SUCCESS: ${rules.length} rules found`));
  t.match(await promtool(['test', 'rules', file]), /SUCCESS/);
  // And the tool would say so: an alert that is expected and does not come.
  const wrong = tests.map((test) => ({ ...test, input_series: [] }));
  await writeFile(file, stringify({ rule_files: [path], evaluation_interval: '1m', tests: wrong }));
  await t.rejects(promtool(['test', 'rules', file]), /FAILED/);
});

t.test('every expression of the dashboard parses', { skip }, async (t) => {
  t.ok(expressions.length > 30);
  const plain = (expr: string) => expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.+');
  const records = expressions.map(({ expr }, i) => ({ record: `panel:number:${i}`, expr: plain(expr) }));
  const file = join(t.testdir(), 'panels.yml');
  await writeFile(file, stringify({ groups: [{ name: 'panels', rules: records }] }));
  t.match(await promtool(['check', 'rules', file]), new RegExp(`SUCCESS: ${records.length} rules found`));
  await writeFile(file, stringify({ groups: [{ name: 'panels', rules: [{ record: 'a', expr: 'sum by (' }] }] }));
  await t.rejects(promtool(['check', 'rules', file]), /parse error/);
});

t.test('rules and dashboard name metrics that there are, and every metric is named by one of them', async (t) => {
  const text = await createMetrics({ processMetrics: false }).text();
  const known = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) => [name, type]));
  const named = new Set<string>();
  for (const expr of [...rules, ...expressions].map((one) => one.expr)) {
    for (const [name] of expr.matchAll(/\blogseal_\w+/g)) named.add(name.replace(/_(bucket|count|sum)$/, ''));
  }
  for (const name of named) t.ok(known.has(name), name);
  t.strictSame(
    [...known.keys()].filter((name) => !named.has(name)),
    [],
  );
});

t.test('each alert has a severity and a section in the manual that its description points to', async (t) => {
  const manual = await readFile(join(projectDir, 'docs', 'operating.md'), 'utf8');
  const part = manual.slice(manual.indexOf('## What each alert means')).split(/\n## /)[0] ?? '';
  const sections = new Map(
    part
      .split(/\n### /)
      .slice(1)
      .map((text) => [text.split('\n', 1)[0], text]),
  );
  t.strictSame([...sections.keys()].sort(), rules.map((rule) => rule.alert).sort());
  for (const { alert, labels, annotations } of rules) {
    t.match(labels.severity, /^(critical|warning|info)$/);
    t.ok(annotations.description.endsWith(`See docs/operating.md#${alert.toLowerCase()}`), alert);
    t.ok((sections.get(alert)?.length ?? 0) > 120, `${alert}: what to do`);
  }
});
