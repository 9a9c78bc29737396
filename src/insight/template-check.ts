/** Looks at the index templates of the destinations that records went to of late: whether a new index will have the signature field. Changes nothing. */
import type { Config } from '../config/config.ts';
import { systemIndices } from '../upstream/system-indices.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Check } from './check.ts';
import { messageOf } from './check.ts';

const area = 'templates';
const destinationsMax = 20;

export async function checkTemplates(config: Config, upstream: Upstream, dests: readonly string[]): Promise<Check[]> {
  const system: readonly string[] = systemIndices;
  const looked = dests.filter((dest) => !system.includes(dest)).slice(0, destinationsMax);
  if (looked.length === 0) {
    return [{ area, status: 'ok', found: 'no records in the log name a destination to look at' }];
  }
  const checks: Check[] = [];
  let good = 0;
  for (const dest of looked) {
    const check = await checkOne(config.templates, upstream, dest).catch((error: unknown): Check => {
      return {
        area,
        status: 'warn',
        found: `${dest} cannot be looked at: ${messageOf(error)}`,
        advice: 'look at the search engine',
      };
    });
    if (check === undefined) good += 1;
    else checks.push(check);
  }
  if (good > 0)
    checks.unshift({
      area,
      status: 'ok',
      found: `${good} of ${looked.length} destinations have the signature field, or will`,
    });
  return checks;
}

async function checkOne(mode: Config['templates'], upstream: Upstream, dest: string): Promise<Check | undefined> {
  const { held, signatureField, exists, timeSeries } = await upstream.describe(dest);
  if (timeSeries) return { area, status: 'warn', found: `${dest} is a time series: its records pass through unsigned` };
  if (held !== undefined)
    return {
      area,
      status: 'fail',
      found: `${dest}: ${held}`,
      advice: 'its records wait in the log until that is mended',
    };
  if (signatureField === 'foreign') {
    const advice = 'another field is called logseal there: rename it';
    return { area, status: 'fail', found: `${dest} takes no signed records`, advice };
  }
  const composed = await upstream.templates.compose(dest, false);
  if (composed.kind === 'advice') {
    const found = `the index template ${composed.template}, which makes ${dest}, lacks the mapping of the signature field`;
    const byItself =
      mode === 'compose' ? ' (with templates: compose the proxy does it with the next record, where it may)' : '';
    return { area, status: 'warn', found, advice: `${composed.text}${byItself}` };
  }
  if (exists && signatureField !== 'fits') {
    return {
      area,
      status: 'warn',
      found: `${dest} lacks the mapping of the signature field`,
      advice: 'the proxy adds it with the next record',
    };
  }
  return undefined;
}
