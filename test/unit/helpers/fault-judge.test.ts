/** The judge of the fault laboratory, on answers that are made up: each kind of damage is seen, and nothing else is. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Counts } from '../../faults/judge.ts';
import { compareStored } from '../../faults/judge.ts';
import { Ledger } from '../../faults/ledger.ts';

interface Lying {
  index: string;
  source: string;
}

/** Answers a scroll over these documents, and to everything else with an empty object. */
async function engineWith(documents: readonly Lying[]): Promise<{ url: string; close(): void }> {
  const hits = documents.map(
    ({ index, source }, n) => `{"_index":"${index}","_id":"${n}","_score":null,"_source":${source},"sort":[${n}]}`,
  );
  const server = createServer((request, response) => {
    const page = request.url?.includes('/_search?scroll') ? hits : [];
    const search = request.url?.includes('/_search') ?? false;
    response.end(search ? `{"_scroll_id":"s","took":1,"hits":{"total":1,"hits":[${page.join()}]}}` : '{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

const dest = 'logs-fault';

/** Ten records in two requests of one connection, the second half acknowledged after the first. */
function sentLedger(): Ledger {
  const ledger = new Ledger({ dest });
  for (let n = 0; n < 2; n++) ledger.settle(ledger.draw(0, 5), 200, '{"errors":false}');
  return ledger;
}

const signed = (ledger: Ledger, n: number, seq = n, text = ledger.document(n, 0)) =>
  `{"logseal":{"chain":"c","seq":${seq},"tag":"}\\"{"},${text.slice(1)}`;

const stored = (ledger: Ledger): Lying[] =>
  Array.from({ length: 10 }, (_, n) => ({ index: dest, source: signed(ledger, n) }));

const whole: Counts = { acknowledged: 10, lost: 0, twice: 0, outOfPlace: 0, invented: 0 };

const cases: readonly [string, (documents: Lying[], ledger: Ledger) => void, Partial<Counts>][] = [
  ['all in place', () => undefined, {}],
  ['one gone', (documents) => documents.splice(3, 1), { lost: 1 }],
  [
    'one there twice',
    (documents, ledger) => documents.push({ index: dest, source: signed(ledger, 3, 30) }),
    { twice: 1 },
  ],
  ['one copied', (documents) => documents.push({ index: dest, source: documents[3]?.source ?? '' }), { twice: 1 }],
  [
    'one in another index',
    (documents, ledger) => documents.splice(3, 1, { index: 'other', source: signed(ledger, 3) }),
    { outOfPlace: 1 },
  ],
  [
    'one signed before what was answered earlier',
    (documents, ledger) => documents.splice(7, 1, { index: dest, source: signed(ledger, 7, 0.5) }),
    { outOfPlace: 1 },
  ],
  [
    'one in the rejects that the search engine would have taken',
    (documents, ledger) => {
      const source = `{"logseal":{"chain":"c","seq":3,"raw":${JSON.stringify(ledger.document(3, 0))}}}`;
      documents.splice(3, 1, { index: 'logseal-rejects', source });
    },
    { outOfPlace: 1 },
  ],
  [
    'one byte changed',
    (documents, ledger) => {
      const text = ledger.document(3, 0).replace('GET', 'PUT');
      documents.splice(3, 1, { index: dest, source: signed(ledger, 3, 3, text) });
    },
    { lost: 1, invented: 1 },
  ],
  [
    'a bulk that was refused, stored',
    (documents, ledger) => {
      ledger.settle(ledger.draw(0, 1), 429, '');
      documents.push({ index: dest, source: signed(ledger, 10) });
    },
    { invented: 1 },
  ],
  [
    'a record that the answer refused, gone',
    (documents, ledger) => {
      const items = [{ create: { status: 400 } }];
      ledger.settle(ledger.draw(0, 1), 200, JSON.stringify({ errors: true, items }));
      documents.splice(10);
    },
    {},
  ],
  ['a document without signature', (documents) => documents.push({ index: dest, source: '{"n":1}' }), { invented: 1 }],
];

for (const [name, change, damage] of cases) {
  t.test(name, async (t) => {
    const ledger = sentLedger();
    const documents = stored(ledger);
    change(documents, ledger);
    const engine = await engineWith(documents);
    t.teardown(() => engine.close());
    const { sections } = await compareStored({ url: engine.url, ledger, sections: [0, 5] });
    const total = { ...whole };
    for (const kind of Object.keys(total) as (keyof Counts)[]) {
      total[kind] = sections.reduce((sum, section) => sum + section[kind], 0);
    }
    t.strictSame(total, { ...whole, ...damage });
  });
}
