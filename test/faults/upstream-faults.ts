/** How an upstream hurts by its answers: a relay plays it for a while, before the real search engine. */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Exchange, RelayedAnswer, Role } from '../helpers/relay.ts';
import { verifyCommand } from '../helpers/verify-command.ts';
import type { Fault, Scene } from './experiment.ts';
import { toDest } from './process-faults.ts';

/** An answer to a bulk of the records of an experiment; undefined resets the connection. */
type BulkRole = (bulk: Bulk) => Promise<RelayedAnswer | undefined>;

interface Bulk {
  exchange: Exchange;
  pass: (body?: string) => Promise<RelayedAnswer>;
}

export interface Item {
  create: { status: number; error?: { type: string; reason: string }; [member: string]: unknown };
}

export interface BulkResult {
  errors: boolean;
  items: Item[];
}

/** Plays for so many bulks of the destination, then no more. Everything else passes. */
export function playing(name: string, bulks: number, role: BulkRole): Fault {
  return {
    name,
    async inject(scene) {
      const over = new AbortController();
      let left = bulks;
      scene.upstream.play(async (exchange, pass) => {
        if (!isBulkToDest(exchange) || left <= 0) return pass();
        left -= 1;
        try {
          return await role({ exchange, pass });
        } finally {
          if (left === 0) over.abort();
        }
      });
      if (!over.signal.aborted) await once(over.signal, 'abort');
      scene.upstream.play(undefined);
    },
  };
}

/** Plays for so long; `role` sees every exchange. The client goes on, at least that many records. */
export async function during({ upstream, ledger }: Scene, role: Role, ms: number, records = 100): Promise<void> {
  upstream.play(role);
  await Promise.all([ledger.grows(records), pause(ms)]);
  upstream.play(undefined);
}

export function isBulkToDest({ path, body }: Exchange): boolean {
  return path.startsWith('/_bulk') && body.includes(toDest);
}

export function says(status: number, type?: string, headers: Record<string, string> = {}): RelayedAnswer {
  const body =
    type === undefined ? '<html>unavailable</html>' : JSON.stringify({ error: { type, reason: type }, status });
  const contentType = type === undefined ? 'text/html' : 'application/json';
  return { status, headers: { 'content-type': contentType, 'x-elastic-product': 'Elasticsearch', ...headers }, body };
}

/** The real answer, with other results. */
export async function changed({ pass }: Bulk, change: (result: BulkResult) => BulkResult): Promise<RelayedAnswer> {
  const answer = await pass();
  return { ...answer, body: JSON.stringify(change(JSON.parse(answer.body) as BulkResult)) };
}

const busy = { type: 'es_rejected_execution_exception', reason: 'rejected execution' };

/** Every other record reaches the search engine; the rest is told 429. */
export async function half({ exchange, pass }: Bulk): Promise<RelayedAnswer> {
  const lines = exchange.body.split('\n');
  const records = Array.from({ length: lines.length >> 1 }, (_, n) => `${lines[2 * n]}\n${lines[2 * n + 1]}\n`);
  if (records.length < 2) return pass();
  const answer = await pass(records.filter((_, n) => n % 2 === 0).join(''));
  const taken = (JSON.parse(answer.body) as BulkResult).items;
  const items = records.map((record, n): Item => {
    if (n % 2 === 0) return taken[n / 2] as Item;
    const { _index, _id } = (JSON.parse(record.split('\n')[0] ?? '') as Item).create;
    const id = exchange.path.includes('items.*._id') ? { _id } : {};
    return { create: { _index, ...id, status: 429, error: busy } };
  });
  return { ...answer, body: JSON.stringify({ errors: true, items }) };
}

export async function reversed(bulk: Bulk): Promise<RelayedAnswer> {
  const answer = await half(bulk);
  const { errors, items } = JSON.parse(answer.body) as BulkResult;
  return { ...answer, body: JSON.stringify({ errors, items: items.toReversed() }) };
}

/** Longer than the proxy waits. */
export async function silence(): Promise<undefined> {
  await pause(1500);
}

/** The first words of what verification finds. */
export async function verdicts({ engine, dataDir }: Scene): Promise<string[]> {
  const key = ['--key', join(dataDir, 'development-auditor', 'auditor.key.pem')];
  const { told } = await verifyCommand(
    engine.url,
    ...key,
    '--trust',
    join(dataDir, 'trust.json'),
    '--no-state',
    '--grace',
    '0',
  );
  return [...new Set(told.map((line) => line.split(' ')[0] ?? ''))];
}
