/** What Elasticsearch refuses a whole request for once its lines are read: the checks that it makes of each operation. */
import type { Operation } from './operation.ts';

const idBytesMax = 512;

/** Sentences, none if the operation may go on. `index` is checked as given; its name is another matter (index-name.ts). */
export function problemsOf(operation: Operation): string[] {
  const problems: string[] = [];
  const { action, id, pipeline } = operation;
  if (operation.index === undefined) problems.push('index is missing');
  if (action === 'create') {
    const problem = createProblem(operation);
    if (problem !== undefined) return [...problems, problem];
  } else if (action === 'index') {
    if (id === undefined && versioned(operation)) {
      problems.push('an id must be provided if version type or value are set');
    }
  } else if (id === undefined || id === '') {
    problems.push('id is missing');
  }
  if (action !== 'create') addCompareAndSetProblems(operation, problems);
  if (id !== undefined && id.length * 3 > idBytesMax && Buffer.byteLength(id) > idBytesMax) {
    problems.push(`id [${id}] is too long, must be no longer than 512 bytes but was: ${Buffer.byteLength(id)}`);
  }
  if (pipeline === '' && (action === 'index' || action === 'create')) {
    problems.push('pipeline cannot be an empty string');
  }
  return problems;
}

function versioned(operation: Operation): boolean {
  return operation.version !== undefined || operation.versionType !== 'internal';
}

function createProblem(operation: Operation): string | undefined {
  if (operation.versionType !== 'internal') {
    return 'create operations only support internal versioning. use index instead';
  }
  if (operation.version !== undefined) {
    return 'create operations do not support explicit versions. use index instead';
  }
  if (operation.ifSeqNo !== undefined || operation.ifPrimaryTerm !== undefined) {
    return 'create operations do not support compare and set. use index instead';
  }
  return undefined;
}

function addCompareAndSetProblems(operation: Operation, problems: string[]): void {
  const { version, versionType, ifSeqNo, ifPrimaryTerm } = operation;
  const smallest = versionType === 'internal' ? 1 : 0;
  if (version !== undefined && version < smallest) {
    problems.push(`illegal version value [${version}] for version type [${versionType.toUpperCase()}]`);
  }
  if (versionType === 'internal' && version !== undefined) {
    problems.push(
      'internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and `if_primary_term` instead',
    );
  }
  if (ifSeqNo !== undefined && versioned(operation)) {
    problems.push('compare and write operations can not use versioning');
  }
  if (ifPrimaryTerm === undefined && ifSeqNo !== undefined) {
    problems.push('ifSeqNo is set, but primary term is [0]');
  }
  if (ifPrimaryTerm !== undefined && ifSeqNo === undefined) {
    problems.push(`ifSeqNo is unassigned, but primary term is [${ifPrimaryTerm}]`);
  }
}
