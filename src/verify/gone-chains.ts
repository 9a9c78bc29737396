/**
 * Whether a trusted chain of which nothing was found has been taken away, or has never signed anything.
 *
 * Owns the witnesses. A log that is whole under its checkpoint and holds no seal of the chain proves that it never closed an epoch; what is
 * left of a log that is not whole proves nothing, and then every chain that is expected must be there.
 * Must never report the chain of an instance that has just begun.
 */
import type { TrustedChain } from './chain-book.ts';
import { sealMark } from './seal-table.ts';
import type { Run } from './verification.ts';

const epochMs = 10_000;
/** So long after its first seal an instance has published a checkpoint. */
const checkpointMs = 60_000;

/** Neither a record nor a seal of it was found. */
export function isEmpty({ plan }: Run, chain: TrustedChain): boolean {
  return chain.documents === 0 && plan.seals(chain.number).length === 0;
}

/** A chain that was made a moment ago, or that nothing has seen used, may have nothing yet. `newest`: `closed` of its instance's newest seal. */
export function isExpected(run: Run, chain: TrustedChain, newest: number): boolean {
  const { options, system } = run;
  const head = system.heads.get(chain.id);
  if (head !== undefined && (head.seq > 0 || head.epoch > 0)) return true;
  if (isLogCut(run, chain.instance, newest) || isNamed(run, chain, newest)) return true;
  if (head !== undefined && chain.createdAt !== undefined) return false;
  const made = chain.createdAt;
  if (made === undefined) return system.instances[chain.instance]?.expected.has(chain.id) === true;
  return made + epochMs + options.graceMs < newest;
}

/** Seals are gone that are not the missing ones of chains of which later ones are left; or there are seals, and no checkpoint at all. */
function isLogCut(run: Run, instance: number, newest: number): boolean {
  const log = run.system.logs[instance];
  if (log === undefined || log.order.length === 0) return false;
  // The first seals of a live instance may be seen before their neighbours and their checkpoint.
  const { live } = run.options.source;
  const settled = log.newest !== undefined || !live || newest + run.options.graceMs < run.options.now;
  if (settled && log.lost > holesOf(run, instance)) return true;
  if (log.newest !== undefined) return false;
  const { seals } = run.documents;
  const oldest = log.order.reduce((least, row) => Math.min(least, seals.number(row, 'closed')), newest);
  return oldest + checkpointMs + run.options.graceMs < newest;
}

function holesOf({ system, plan, documents }: Run, instance: number): number {
  const { seals } = documents;
  let holes = 0;
  for (const chain of system.book.trusted()) {
    if (chain.instance !== instance) continue;
    const rows = plan.seals(chain.number).filter((row) => !seals.has(row, sealMark.rejected));
    const last = rows.at(-1);
    if (last === undefined) continue;
    const epochs = new Set(rows.map((row) => seals.word(row, 'epoch')));
    const named = [...system.namedSeals].filter((name) => {
      const [number, epoch] = name.split(' ').map(Number);
      return number === chain.number && epoch !== undefined && epoch < seals.word(last, 'epoch') && !epochs.has(epoch);
    });
    holes += seals.word(last, 'epoch') + 1 - epochs.size - named.length;
  }
  return holes;
}

/**
 * The control chain speaks of records of it: by its id, or of a place that was filled while no other chain has anything. Those records may
 * have been on their way when it was read, but not any more when much later ones were sealed.
 */
function isNamed(run: Run, chain: TrustedChain, newest: number): boolean {
  const { facts, system, options } = run;
  const before = (options.source.live ? options.now : newest) - epochMs - options.graceMs;
  if ((facts.firstNamed.get(chain.id) ?? before) < before) return true;
  const instance = system.instances[chain.instance];
  if (instance === undefined || instance.controls.has(chain.id)) return false;
  const others = system.book.trusted().filter((other) => other.instance === chain.instance);
  if (!others.every((other) => instance.controls.has(other.id) || isEmpty(run, other))) return false;
  const made = chain.createdAt ?? 0;
  return facts.placeTimes.some(({ origin, time }) => origin === instance.origin && time >= made && time < before);
}
