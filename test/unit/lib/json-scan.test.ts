import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { ObjectScanner } from '../../../src/lib/json-scan.ts';

interface Content {
  received?: string;
  hex?: string;
  reason: string;
  about: string;
}
const vectors = JSON.parse(readFileSync(new URL('../../vectors/vectors.json', import.meta.url), 'utf8')) as {
  refused: { contents: Content[] };
  accepted: { contents: Content[] };
};

function scan(text: string, depthMax = 20): { code: number; scanner: ObjectScanner } {
  const bytes = Buffer.from(text);
  const scanner = new ObjectScanner({ depthMax });
  return { code: scanner.scan(bytes, 0, bytes.length), scanner };
}

t.test(
  'every content that the vectors refuse for its JSON is refused, and every accepted one is accepted',
  async (t) => {
    for (const { received, reason } of vectors.refused.contents) {
      if (received === undefined) continue;
      const { code } = scan(received);
      t.not(code, 0, reason);
      t.equal(code === 4, /logs.*al|ogseal/.test(received), `${reason}: only the field's name is code 4`);
    }
    for (const { received = '', about } of vectors.accepted.contents) t.equal(scan(received).code, 0, about);
  },
);

t.test('the codes tell apart what is wrong, and the offset says where', async (t) => {
  const cases: [string, number, number][] = [
    ['', 1, 0],
    ['  ', 1, 2],
    ['[1]', 1, 0],
    ['"a"', 1, 0],
    ['\ufeff{}', 1, 0],
    ['{"a":1', 2, 6],
    ['{"a":tru}', 2, 5],
    ['{"a":trux}', 2, 5],
    ['{"a":x}', 2, 5],
    ['{"a":1]', 2, 6],
    ['{"a":[1}', 2, 7],
    ['{"a":[1,]}', 2, 8],
    ['{"a":1,}', 2, 7],
    ['{,}', 2, 1],
    ['{"a" "b"}', 2, 5],
    ['{"a"', 2, 4],
    ['{"a":"b" "c"}', 2, 9],
    ['{"a":1 2}', 2, 7],
    ['{1:2}', 2, 1],
    ['{"a":-}', 2, 6],
    ['{"a":1e}', 2, 7],
    ['{"a":1e+}', 2, 8],
    ['{"a":1.}', 2, 7],
    ['{"a":01}', 2, 6],
    ['{"a":"\\', 2, 6],
    ['{"a":"\\u00', 2, 6],
    ['{"a":"b', 2, 7],
    ['{"a":fals', 2, 5],
    ['{} {}', 2, 3],
    ['{"a":é}', 2, 5],
    ['{"a":1,"logseal":2}', 4, 7],
  ];
  for (const [text, code, offset] of cases) {
    const result = scan(text);
    t.equal(result.code, code, JSON.stringify(text));
    t.equal(result.scanner.errorOffset, offset, JSON.stringify(text));
  }
});

t.test('content runs from brace to brace wherever in the body it stands', async (t) => {
  const body = Buffer.from('xx \r\n\t{"a": {"b":[true,false,null]}} \n{"c":1}');
  const scanner = new ObjectScanner({ depthMax: 3 });
  t.equal(scanner.scan(body, 2, body.indexOf('{"c"')), 0);
  t.equal(body.toString('utf8', scanner.contentStart, scanner.contentEnd), '{"a": {"b":[true,false,null]}}');
  t.equal(scanner.lineFeed, false, 'line feeds around the document are not in it');
});

t.test('depth counts what is open at once', async (t) => {
  t.equal(scan('{"a":[{}],"b":[{}]}', 3).code, 0);
  t.equal(scan('{"a":[{}]}', 2).code, 3);
  t.equal(scan('{}', 0).code, 3);
});

t.test('line feeds are noticed between all tokens', async (t) => {
  for (const text of ['{\n}', '{"a"\n:1}', '{"a":\r1}', '{"a":1\n}', '{"a":[\n]}']) {
    t.equal(scan(text).scanner.lineFeed, true, JSON.stringify(text));
  }
  t.equal(scan('{"a" : "\\n"}').scanner.lineFeed, false, 'an escape is no line feed');
});

t.test('an object with nothing but blanks is empty', async (t) => {
  for (const text of ['{}', '{ }', '{\r\n}']) t.equal(scan(text).scanner.emptyObject, true);
  t.equal(scan('{"a":{}}').scanner.emptyObject, false);
});

t.test('arrays of 128 numbers are noticed, nested ones counted together', async (t) => {
  const numbers = (n: number): string => Array.from({ length: n }, () => '-1.5e3').join(',');
  t.equal(scan(`{"a":[${numbers(128)}]}`).scanner.longNumberArray, true);
  t.equal(scan(`{"a":[${numbers(127)}],"b":[${numbers(127)}]}`).scanner.longNumberArray, false);
  t.equal(scan(`{"a":[[${numbers(64)}],[${numbers(64)}]]}`).scanner.longNumberArray, true);
  t.equal(scan(`{"a":[${'"x",'.repeat(200)}1]}`).scanner.longNumberArray, false);
});

t.test('the field name is found in every spelling at the top, and only there', async (t) => {
  for (const name of ['logseal', 'logseal.', 'logseal.x', '\\u006Cogseal', 'l\\u006fgseal\\u002ex', 'logsea\\u006c']) {
    t.equal(scan(`{"${name}":1}`).code, 4, name);
    t.equal(scan(`{"a":{"${name}":1}}`).code, 0, name);
  }
  for (const name of ['logsea', 'logseal2', 'l\\nogseal', '\\\\logseal', 'log', '', 'logseal\\u0000', 'logseal\\/']) {
    t.equal(scan(`{"${name}":1}`).code, 0, name);
  }
});

t.test('the scanner agrees with JSON.parse on generated and on damaged documents', async (t) => {
  const scanner = new ObjectScanner({ depthMax: 1000 });
  const parses = (text: string): boolean => {
    try {
      const value: unknown = JSON.parse(text);
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    } catch {
      return false;
    }
  };
  const seed = Number(process.hrtime.bigint() & 0x7fffffffn);
  const noise = fc.constantFrom(...'{}[]:,"\\ue+-.0189tfn\n ');
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), fc.nat(2), noise, (value, at, cut, extra) => {
      const text = JSON.stringify(value);
      const where = at % (text.length + 1);
      for (const candidate of [text, text.slice(0, where) + extra + text.slice(where + cut)]) {
        const bytes = Buffer.from(candidate);
        const code = scanner.scan(bytes, 0, bytes.length);
        if (code !== 4 && (code === 0) !== parses(candidate)) return false;
      }
      return true;
    }),
    { seed, numRuns: 3000 },
  );
  t.pass(`seed ${seed}`);
});

t.test('every byte is seen at every place of a long string, wherever the body stands in memory', async (t) => {
  const scanner = new ObjectScanner({ depthMax: 10 });
  const memory = Buffer.alloc(256);
  const wrong: string[] = [];
  for (let origin = 0; origin < 4; origin++) {
    for (let at = 0; at < 40; at++) {
      for (let byte = 0; byte < 0x80; byte++) {
        const text = `{"m":"${'x'.repeat(at)}${String.fromCharCode(byte)}${'y'.repeat(40 - at)}"}`;
        const bytes = memory.subarray(origin, origin + memory.latin1Write(text, origin));
        // A backslash before `y` is no escape.
        const expected = byte === 0x22 || byte === 0x5c || byte < 0x20 ? 2 : 0;
        if (scanner.scan(bytes, 0, bytes.length) !== expected) wrong.push(`${origin} ${at} ${byte}`);
      }
    }
  }
  t.strictSame(wrong, []);
  const high = Buffer.from(`{"m":"${'é\u{10ffff}'.repeat(20)}"}`);
  t.equal(scanner.scan(high, 0, high.length), 0);
});
