/**
 * Owns which requests are refused for their shape alone: what the parser below lets through, and somebody behind or before the
 * proxy may read another way. Assumes node:http's strict parser, which refuses bare LF, folding, control characters, blanks before
 * a colon, a Content-Length that is no number or stands twice or beside Transfer-Encoding, and whatever is no chunk.
 * Must never guess what a request meant: it is refused, and its connection ends, because nobody knows where the next one begins.
 */
import type { IncomingMessage } from 'node:http';

export interface ShapeLimits {
  /** Bytes of path and query. */
  targetBytesMax: number;
  /** Header lines. */
  headersMax: number;
}

export interface ShapeFault {
  status: 400 | 417;
  type: string;
  reason: string;
}

/** Headers that may come once: of two, the proxy and the search engine could take different ones. */
const single = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-type',
  'es-security-runas-user',
  'expect',
  'host',
  'transfer-encoding',
]);
/** Headers that Connection cannot take away from the request. */
const notForOneHop = new Set([...single].filter((name) => name !== 'expect'));

export function shapeFault(request: IncomingMessage, limits: ShapeLimits): ShapeFault | undefined {
  const reason = lineFault(request) ?? headerFault(request, limits) ?? framingFault(request);
  if (reason !== undefined) return { status: 400, type: 'illegal_argument_exception', reason };
  const target = request.url ?? '';
  if (target.length > limits.targetBytesMax) {
    const sentence = `An HTTP line is larger than ${limits.targetBytesMax} bytes.`;
    return { status: 400, type: 'too_long_http_line_exception', reason: sentence };
  }
  const { expect } = request.headers;
  if (expect === undefined || expect.toLowerCase() === '100-continue') return undefined;
  return { status: 417, type: 'illegal_argument_exception', reason: 'Expect may only be 100-continue' };
}

function lineFault({ url = '', httpVersion }: IncomingMessage): string | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'HTTP/1.1 and HTTP/1.0 are spoken here';
  // The absolute form names a host, and would be passed on as it is: the search engine routes it elsewhere than the proxy.
  if (!url.startsWith('/')) return 'the request target must begin with a slash';
  // Whoever cuts or mends these sees another path than the proxy.
  if (/[#\\]/.test(url)) return 'the request target must not contain "#" and "\\"';
  const path = url.split('?', 1)[0] as string;
  if (/\/(\.|%2e){1,2}(?=\/|$)/i.test(path)) return 'the path must not contain "." and ".." as segments';
  return undefined;
}

function headerFault({ rawHeaders, httpVersion }: IncomingMessage, { headersMax }: ShapeLimits): string | undefined {
  if (rawHeaders.length > headersMax * 2) return `more than ${headersMax} headers`;
  const seen = new Set<string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (!single.has(name) && name !== 'connection') continue;
    if (name !== 'connection' && seen.has(name)) return `the header ${name} stands twice`;
    seen.add(name);
    const fault = valueFault(name, rawHeaders[i + 1] as string);
    if (fault !== undefined) return fault;
  }
  return httpVersion === '1.1' && !seen.has('host') ? 'the header host is missing' : undefined;
}

function valueFault(name: string, value: string): string | undefined {
  switch (name) {
    case 'host':
      return /^[\w.~%!$&'()*+;=:[\]-]*$/.test(value) ? undefined : 'the header host names no host';
    case 'content-length':
      return /^(0|[1-9]\d*)$/.test(value) && Number.isSafeInteger(Number(value))
        ? undefined
        : 'the header content-length is no number of bytes';
    case 'connection': {
      const taken = value.split(',').find((part) => notForOneHop.has(part.trim().toLowerCase()));
      return taken === undefined ? undefined : 'the header connection names a header that is for the whole way';
    }
    default:
      return undefined;
  }
}

function framingFault({ headers, httpVersion }: IncomingMessage): string | undefined {
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return undefined;
  if (httpVersion !== '1.1') return 'the header transfer-encoding is for HTTP/1.1';
  return coding.toLowerCase() === 'chunked' ? undefined : 'the header transfer-encoding may only be chunked';
}
