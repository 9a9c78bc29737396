/**
 * Owns the media types of what is asked and answered: JSON, NDJSON and their versioned forms, as Elasticsearch 9 takes them.
 * Assumes that an answer that is not JSON never comes from here (passthrough has its own).
 */
import { refusal } from '../bulk/refusal.ts';
import { LogsealError } from '../errors.ts';

export interface MediaTypes {
  /** The version that both headers name, if any: 8 is read more leniently. */
  version: 8 | 9 | undefined;
  /** The Content-Type of the answer. JSON is YAML too, so one text serves both. */
  answer: string;
}

interface MediaType {
  name: string;
  version: string | undefined;
}

const vendor = /^application\/vnd\.elasticsearch\+(json|x-ndjson|yaml|cbor|smile)$/;
const jsonNames = ['application/json', 'application/x-ndjson', 'application/*', 'application/vnd.elasticsearch+json'];
const plain = 'application/json';

/**
 * Of a request with a body. Throws REQUEST_REFUSED: 406 with a *string* as error for what is not JSON, 400 for headers that
 * are broken or disagree.
 */
export function mediaTypes(contentType: string | undefined, accept: string | undefined, format?: string): MediaTypes {
  const content = contentType === undefined ? undefined : parse(contentType, 'Content-Type');
  const wanted = acceptOf(accept);
  const versions = checkVersions(content, wanted, contentType, accept);
  if (content === undefined || !(jsonNames.includes(content.name) || content.name.endsWith('+x-ndjson'))) {
    throw notSupported(contentType ?? '');
  }
  return { version: versions, answer: answerType(wanted, format) };
}

/** The Content-Type of an answer to somebody whose body was not looked at. */
export function answerType(wanted: MediaType | string | undefined, format?: string): string {
  const type = typeof wanted === 'string' ? acceptOf(wanted) : wanted;
  if (format === 'yaml' || (format === undefined && type?.name.endsWith('yaml'))) return 'application/yaml';
  if (type?.version !== undefined && vendor.test(type.name)) {
    return `application/vnd.elasticsearch+json;compatible-with=${type.version}`;
  }
  return plain;
}

function checkVersions(
  content: MediaType | undefined,
  wanted: MediaType | undefined,
  contentType: string | undefined,
  accept: string | undefined,
): 8 | 9 | undefined {
  const version = content?.version ?? wanted?.version;
  if (version === undefined) return undefined;
  const header = content?.version === undefined ? 'Accept' : 'Content-Type';
  const shown = `${header}=${header === 'Accept' ? accept : contentType}`;
  if (version !== '8' && version !== '9') {
    throw broken(
      'Content-Type, Accept',
      'status_exception',
      `${header} version must be either version 9 or 8, but found ${version}. ${shown}`,
    );
  }
  if (content !== undefined && content.version !== wanted?.version) {
    const match = wanted?.version === undefined ? '' : ' and the compatible versions must match';
    const reason = `A compatible version is required on both Content-Type and Accept headers if either one has requested a compatible version${match}. Accept=${accept ?? 'null'}, Content-Type=${contentType}`;
    throw broken('Content-Type, Accept', 'status_exception', reason);
  }
  return version === '8' ? 8 : 9;
}

/** The first type of the list that is one of ours; others say "anything". */
function acceptOf(accept: string | undefined): MediaType | undefined {
  for (const entry of (accept ?? '').split(',')) {
    const type = split(entry);
    if (type !== undefined && /^application\//.test(type.name)) return type;
  }
  return undefined;
}

function parse(text: string, header: string): MediaType {
  const type = split(text);
  if (type === undefined) {
    if (text.trim() === '') throw notSupported(text);
    throw broken(header, 'illegal_argument_exception', `invalid media-type [${text}]`);
  }
  return type;
}

const shape = /^\s*([\w!#$&^.+*-]+\/[\w!#$&^.+*-]+)\s*((?:;\s*[\w-]+\s*=\s*(?:"[^"]*"|[^;"\s]*)\s*)*);?\s*$/;

function split(text: string): MediaType | undefined {
  if (text.length > 1024) return undefined;
  const found = shape.exec(text);
  if (found === null) return undefined;
  const version = /;\s*compatible-with\s*=\s*"?(\d+)"?/i.exec(found[2] ?? '')?.[1];
  return { name: (found[1] as string).toLowerCase(), version };
}

function notSupported(contentType: string): LogsealError {
  return new LogsealError('REQUEST_REFUSED', `Content-Type header [${contentType}] is not supported`, { status: 406 });
}

function broken(header: string, type: string, reason: string): LogsealError {
  const message = `Invalid media-type value on headers [${header}]`;
  return refusal('media_type_header_exception', message, { causedBy: { type, reason } });
}
