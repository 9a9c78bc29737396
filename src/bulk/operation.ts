/**
 * Owns the meaning of one action line: which operation on what, with which metadata. Assumes that the line is valid UTF-8.
 * Whatever Elasticsearch refuses a whole request for is thrown here, in its words; null means absent, as there.
 */

import type { Token } from './json-tokens.ts';
import { JsonTokens } from './json-tokens.ts';
import { illegalArgument, refusal } from './refusal.ts';

export const actions = ['index', 'create', 'update', 'delete'] as const;
export type Action = (typeof actions)[number];

export const versionTypes = ['internal', 'external', 'external_gte'] as const;
export type VersionType = (typeof versionTypes)[number];

/** What the path and the query say for all operations of a request. */
export interface OperationDefaults {
  index?: string | undefined;
  routing?: string | undefined;
  pipeline?: string | undefined;
  requireAlias?: boolean | undefined;
  requireDataStream?: boolean | undefined;
  listExecutedPipelines?: boolean | undefined;
}

export interface Operation extends OperationDefaults {
  action: Action;
  id?: string | undefined;
  version?: number | undefined;
  versionType: VersionType;
  ifSeqNo?: number | undefined;
  ifPrimaryTerm?: number | undefined;
  /** JSON objects as they were written. */
  dynamicTemplates?: string | undefined;
  dynamicTemplateParams?: string | undefined;
  /** Where the id's text stands in the line, if it is a plain string: between its quotes. */
  idStart?: number | undefined;
  idEnd?: number | undefined;
}

/** Elasticsearch's "unassigned" values count as absent. */
const versionMatchAny = -3;
const seqNoUnassigned = -2;

/**
 * One action line, `line` counted from 1. Undefined for a line that is empty or holds blanks only.
 * `lenient`: what stands behind the operation is not looked at (compatible-with=8).
 */
export function parseActionLine(
  text: string,
  line: number,
  defaults: OperationDefaults,
  lenient = false,
): Operation | undefined {
  const tokens = new JsonTokens(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  const opening = tokens.next();
  if (opening === undefined) return undefined;
  if (opening !== 'START_OBJECT') throw malformed(line, 'START_OBJECT', opening);
  const name = tokens.next();
  if (name !== 'FIELD_NAME') throw malformed(line, 'FIELD_NAME', name);
  const action = actions.find((candidate) => candidate === tokens.text);
  if (action === undefined) throw malformed(line, 'field [create], [delete], [index] or [update]', tokens.text);
  const operation: Operation = { ...defaults, action, versionType: 'internal' };
  const value = tokens.next();
  if (value === 'START_OBJECT') readMetadata(tokens, line, operation);
  else if (value !== 'END_OBJECT') throw malformed(line, 'START_OBJECT or END_OBJECT', value);
  if (!lenient) expectClosed(tokens, line);
  return checked(operation, line);
}

function readMetadata(tokens: JsonTokens, line: number, operation: Operation): void {
  let name = '';
  for (let token = tokens.next(); token !== 'END_OBJECT'; token = tokens.next()) {
    if (token === 'FIELD_NAME') {
      name = tokens.text;
    } else if (token === 'START_OBJECT' && name === 'dynamic_templates') {
      operation.dynamicTemplates = readStringMap(tokens);
    } else if (token === 'START_OBJECT' && name === 'dynamic_template_params') {
      operation.dynamicTemplateParams = tokens.rest();
    } else if (token === 'START_OBJECT' && name === '_source') {
      // Chooses what an update shows of the document: of no meaning for what is signed.
      tokens.rest();
    } else if (token === 'START_OBJECT' || token === 'START_ARRAY') {
      const expected = `a simple value for field [${name}]`;
      throw malformed(line, expected, token);
    } else if (token !== 'VALUE_NULL') {
      setMember(operation, name, tokens, token, line);
    }
  }
}

function setMember(
  operation: Operation,
  name: string,
  tokens: JsonTokens,
  token: Token | undefined,
  line: number,
): void {
  const text = tokens.text;
  if (name === '_index') operation.index = text;
  else if (name === '_id') setId(operation, tokens, token);
  else if (name === 'routing') operation.routing = text === '' ? undefined : text;
  else if (name === 'pipeline') operation.pipeline = text;
  else if (name === 'op_type') setOpType(operation, text);
  else if (name === 'version') operation.version = integerOf(text);
  else if (name === 'version_type') operation.versionType = versionTypeOf(text);
  else if (name === 'if_seq_no') operation.ifSeqNo = integerOf(text);
  else if (name === 'if_primary_term') operation.ifPrimaryTerm = integerOf(text);
  else if (name === 'retry_on_conflict') integerOf(text, 'number_format_exception');
  else if (name === 'require_alias') operation.requireAlias = booleanOf(text);
  else if (name === 'require_data_stream') operation.requireDataStream = booleanOf(text);
  else if (name === 'list_executed_pipelines') operation.listExecutedPipelines = booleanOf(text);
  else if (name === '_slice') throw illegalArgument('request does not support [_slice]');
  else if (name !== '_source') {
    throw illegalArgument(`Action/metadata line [${line}] contains an unknown parameter [${name}]`);
  }
}

function setId(operation: Operation, tokens: JsonTokens, token: Token | undefined): void {
  operation.id = tokens.text;
  const plain = token === 'VALUE_STRING' && tokens.end - tokens.start - 2 === tokens.text.length;
  operation.idStart = plain ? tokens.start + 1 : undefined;
  operation.idEnd = plain ? tokens.end - 1 : undefined;
}

/** `index` with `op_type: create` is a create, and is answered as one; any other value says nothing. */
function setOpType(operation: Operation, text: string): void {
  if (operation.action === 'index' && text === 'create') operation.action = 'create';
}

function expectClosed(tokens: JsonTokens, line: number): void {
  const token = tokens.next();
  // `{"index"}`-like shapes never come here: the value of the action was an object.
  if (token !== 'END_OBJECT') throw malformed(line, 'END_OBJECT', token);
  if (tokens.next() !== undefined) {
    throw illegalArgument(`Malformed action/metadata line [${line}], unexpected data after the closing brace`);
  }
}

function checked(operation: Operation, line: number): Operation {
  const { ifSeqNo, ifPrimaryTerm, version } = operation;
  if (version === versionMatchAny) operation.version = undefined;
  if (ifSeqNo !== undefined && ifSeqNo < 0 && ifSeqNo !== seqNoUnassigned) {
    throw illegalArgument(`sequence numbers must be non negative. got [${ifSeqNo}].`);
  }
  if (ifPrimaryTerm !== undefined && ifPrimaryTerm < 0) {
    throw illegalArgument(`primary term must be non negative. got [${ifPrimaryTerm}]`);
  }
  if (ifSeqNo === seqNoUnassigned) operation.ifSeqNo = undefined;
  if (ifPrimaryTerm === 0) operation.ifPrimaryTerm = undefined;
  if (operation.action === 'update') checkUpdate(operation, line);
  if (operation.action === 'delete' && hasTemplates(operation)) {
    throw illegalArgument(`Delete request in line [${line}] does not accept dynamic_templates`);
  }
  return operation;
}

function checkUpdate(operation: Operation, line: number): void {
  if (operation.version !== undefined || operation.versionType !== 'internal') {
    throw illegalArgument(
      'Update requests do not support versioning. Please use `if_seq_no` and `if_primary_term` instead',
    );
  }
  if (operation.requireDataStream) {
    throw illegalArgument(
      'Update requests do not support the `require_data_stream` flag, as data streams do not support update operations',
    );
  }
  if (hasTemplates(operation)) {
    throw illegalArgument(`Update request in line [${line}] does not accept dynamic_templates`);
  }
}

function hasTemplates(operation: Operation): boolean {
  return operation.dynamicTemplates !== undefined && operation.dynamicTemplates !== '{}';
}

/** An object of strings; other single values count as their text, as in Elasticsearch. */
function readStringMap(tokens: JsonTokens): string {
  const map: [string, string][] = [];
  let name = '';
  for (let token = tokens.next(); token !== 'END_OBJECT'; token = tokens.next()) {
    if (token === 'FIELD_NAME') name = tokens.text;
    else if (token === 'START_OBJECT' || token === 'START_ARRAY') {
      throw illegalArgument(`Expected text at 1:${tokens.column} but found ${token}`);
    } else map.push([name, tokens.text]);
  }
  return JSON.stringify(Object.fromEntries(map));
}

/** A whole number, also as a string or with a fraction, which is cut off. */
function integerOf(text: string, type = 'illegal_argument_exception'): number {
  const value = /^[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?$/.test(text) ? Math.trunc(Number(text)) : Number.NaN;
  if (!Number.isFinite(value)) throw refusal(type, `For input string: "${text}"`);
  return value;
}

function booleanOf(text: string): boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw illegalArgument(`Failed to parse value [${text}] as only [true] or [false] are allowed.`);
}

/** Throws for a type that Elasticsearch does not know. */
export function versionTypeOf(text: string): VersionType {
  if (text === 'external_gt') return 'external';
  const type = versionTypes.find((candidate) => candidate === text);
  if (type === undefined) throw illegalArgument(`No version type match [${text}]`);
  return type;
}

function malformed(line: number, expected: string, found: string | undefined) {
  return illegalArgument(
    `Malformed action/metadata line [${line}], expected ${expected} but found [${found ?? 'null'}]`,
  );
}
