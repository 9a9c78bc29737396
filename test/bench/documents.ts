/** What the benchmark sends: web access records of a given size, the same in every run, and bulk bodies made of them. */

export interface BodySet {
  bodies: Buffer[];
  /** Records in each body. */
  perBulk: number;
}

/** Distinct records in a set of bodies: enough that neither a compressor nor a cache sees the same one soon again. */
const recordsWanted = 40_000;
const bytesMax = 64 * 1024 * 1024;

const methods = ['GET', 'GET', 'GET', 'POST', 'PUT', 'HEAD'];
const paths = ['/', '/search', '/assets/app.css', '/api/v2/orders', '/api/v2/orders/items', '/login', '/img/logo.png'];
const agents = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36',
  'curl/8.14.1',
  'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
];
/** Referrers, cookies and the like, as they come again and again. */
const phrases = [
  'referer=https://shop.example.com/catalogue/winter/boots?sort=price&page=2',
  'referer=https://www.google.com/search?q=waterproof+boots',
  'cookie=consent:1;lang:en;currency:EUR;variant:b',
  'upstream=app-03.internal:8080 upstream_status=200 cache=MISS',
  'upstream=app-01.internal:8080 upstream_status=200 cache=HIT',
  'tls=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 alpn=h2',
  'accept=text/html,application/xhtml+xml,application/xml;q=0.9 encoding=gzip,br',
  'geo=DE/Berlin asn=3320 bot=false',
];

/** A generator of numbers below `bound`; the same seed gives the same numbers. */
function numbers(seed: number): (bound: number) => number {
  let state = seed >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % bound;
  };
}

/** Documents of `bytes` bytes each, as a web server's log has them. Shorter than 300 bytes they cannot be. */
export function webRecords(count: number, bytes: number, seed = 1): string[] {
  const next = numbers(seed);
  const pick = <T>(list: readonly T[]): T => list[next(list.length)] as T;
  const firstMs = Date.UTC(2026, 10, 23, 20);
  return Array.from({ length: count }, (_, n) => {
    const fields = {
      '@timestamp': new Date(firstMs + n * 7 + next(7)).toISOString(),
      client: { ip: `10.${next(256)}.${next(256)}.${next(256)}` },
      http: { method: pick(methods), status: next(20) === 0 ? 500 : 200, bytes: next(60_000) },
      url: { path: `${pick(paths)}?id=${next(1_000_000)}` },
      agent: bytes < 400 ? 'curl/8.14.1' : pick(agents),
      ms: next(3000) / 10,
      message: '',
    };
    let text = JSON.stringify(fields);
    let message = '';
    while (text.length + message.length < bytes) {
      message += `${pick(phrases)} `;
    }
    message = message.slice(0, Math.max(0, bytes - text.length));
    text = `${text.slice(0, -2)}${message}"}`;
    return text;
  });
}

export function actionLine(dest: string): string {
  return `{"create":{"_index":"${dest}"}}\n`;
}

/** Bulk bodies for one destination, without ids. Sent again and again they are new records each time. */
export function bulkBodies(dest: string, recordBytes: number, perBulk: number): BodySet {
  const distinct = Math.min(recordsWanted, Math.ceil(bytesMax / recordBytes));
  const count = Math.max(2, Math.ceil(distinct / perBulk));
  const records = webRecords(count * perBulk, recordBytes);
  const action = actionLine(dest);
  const bodies = Array.from({ length: count }, (_, n) => {
    const part = records.slice(n * perBulk, (n + 1) * perBulk);
    return Buffer.from(part.map((record) => `${action}${record}\n`).join(''));
  });
  return { bodies, perBulk };
}
