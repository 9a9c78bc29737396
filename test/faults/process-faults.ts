/** How a process is hurt: killed at points of the network and of the disk, and what makes it write rejects. */
import type { Exchange, TrapPoint } from '../helpers/relay.ts';
import type { ExperimentOptions, Fault } from './experiment.ts';
import type { FaultRule, FaultyMount } from './faulty-mount.ts';

/** Where all records of an experiment go; the default of the ledger. */
const dest = 'logs-fault';
export const toDest = `"_index":"${dest}"`;
export const toRejects = '"_index":"logseal-rejects"';

/** kill -9 when a bulk request is at a point; the exchange is cut there. `holds`: a part of its body. */
export function killAt(name: string, side: 'upstream' | 'intake', at: TrapPoint, holds: string): Fault {
  const matches = ({ path, body }: Exchange) => path.startsWith('/_bulk') && body.includes(holds);
  return {
    name: `kill -9 ${name}`,
    inject: (scene) => scene[side].trap({ at, matches, act: () => scene.proxy.kill(), cut: at !== 'answered' }),
  };
}

/** kill -9 before or after a call to the disk. */
export function killOn(name: string, mount: FaultyMount, rule: FaultRule): Fault {
  return {
    name: `kill -9 ${name}`,
    async inject({ proxy }) {
      const set = await mount.rule({ ...rule, kill: proxy.pid, times: 1 });
      await proxy.ended;
      await set.remove();
    },
  };
}

export const killBeforeSend = killAt('before send', 'upstream', 'request', toDest);
export const killBeforeAnswer = killAt('after send, the answer under way', 'upstream', 'answer', toDest);

const takenEvery = 50;
const takenMax = 50_000;

/** Every 50th record has the id of a document that somebody else has put there: it is signed, and goes to the rejects. */
export const takenIds = {
  ledger: { ids: 'given' },
  rejected: (n) => n % takenEvery === 0,
  foreign: (id, index) => index === dest && Number(id.split('/')[1]) % takenEvery === 0,
  async prepare(url) {
    let body = '';
    for (let n = 0; n < takenMax; n += takenEvery) {
      body += `{"create":{"_index":"${dest}","_id":"${dest}/${n}"}}\n{}\n`;
    }
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = await fetch(`${url}/_bulk`, { method: 'POST', headers, body });
    const text = await answer.text();
    if (!text.includes('"errors":false')) throw new Error(text.slice(0, 500));
  },
} satisfies Partial<ExperimentOptions>;

/** The destination is an alias, and while the answer to a send is lost its write index changes. */
export const rolledOver = {
  inPlace: (index) => index.startsWith(`${dest}-0000`),
  prepare: (url) => alias(url, 1),
  faults: [
    {
      name: 'kill -9 after send, and the alias rolls over',
      async inject(scene, time) {
        await scene.upstream.trap({
          at: 'answer',
          matches: ({ path, body }) => path.startsWith('/_bulk') && body.includes(toDest),
          cut: true,
          async act() {
            await alias(scene.engine.url, time + 2);
            await scene.proxy.kill();
          },
        });
      },
    },
  ],
} satisfies Partial<ExperimentOptions>;

/** Makes the nth index behind the alias, and the one that is written to. */
export async function alias(url: string, nth: number): Promise<void> {
  const ask = async (method: string, path: string, body?: object) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(url + path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  };
  const index = (n: number) => `${dest}-${String(n).padStart(6, '0')}`;
  await ask('PUT', `/${index(nth)}`);
  const write = (n: number, is_write_index: boolean) => ({ add: { index: index(n), alias: dest, is_write_index } });
  await ask('POST', '/_aliases', { actions: [...(nth === 1 ? [] : [write(nth - 1, false)]), write(nth, true)] });
}
