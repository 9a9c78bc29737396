/** Whether the proxy of a data directory runs, and what it says of itself at its admin port. */
import type { Config } from '../config/config.ts';
import { lockHolder } from '../wal/lock-state.ts';
import { adminAddress, askAdmin } from './admin-question.ts';
import type { Check } from './check.ts';
import { messageOf } from './check.ts';
import type { KnownInstance } from './key-check.ts';

const area = 'proxy';

export async function checkProxy(config: Config, instance: KnownInstance | undefined): Promise<Check[]> {
  const holder = instance === undefined ? undefined : await lockHolder(config.dataDir);
  if (holder === undefined) {
    const after =
      instance?.clean === false ? '; the last one ended without a clean stop, and the next start recovers' : '';
    return [{ area, status: 'ok', found: `no proxy runs on ${config.dataDir}${after}` }];
  }
  const name = holder.pid === undefined ? 'a process' : `process ${holder.pid}`;
  const running: Check = { area, status: 'ok', found: `${name} runs on ${config.dataDir}` };
  try {
    const { status, body } = await askAdmin(config, '/readyz');
    return [running, ...readyChecks(status, body)];
  } catch (error) {
    const found = `its admin port ${adminAddress(config)} does not answer: ${messageOf(error)}`;
    return [
      running,
      { area, status: 'warn', found, advice: 'give the doctor the configuration that the proxy was started with' },
    ];
  }
}

function readyChecks(status: number, text: string): Check[] {
  let body: { ready?: unknown; reasons?: unknown; notCovered?: unknown };
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    return [
      {
        area,
        status: 'warn',
        found: `its admin port answers ${status}, and not as a proxy does`,
        advice: 'look at adminListen',
      },
    ];
  }
  const strings = (value: unknown) => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []);
  const ready = body.ready === true;
  const reasons = Array.isArray(body.reasons) ? strings(body.reasons.map((one) => one?.reason)) : [];
  const checks: Check[] = reasons.map((reason) => ({ area, status: ready ? 'warn' : 'fail', found: reason }));
  if (ready) checks.unshift({ area, status: 'ok', found: 'it accepts records (readyz)' });
  else if (checks.length === 0)
    checks.push({
      area,
      status: 'fail',
      found: `it accepts no records (readyz answers ${status})`,
      advice: 'ask with admin.tokenFile set for the reasons',
    });
  const passing = strings(body.notCovered);
  if (passing.length > 0)
    checks.push({ area, status: 'warn', found: `passes through unsigned: ${passing.slice(0, 5).join(', ')}` });
  return checks;
}
