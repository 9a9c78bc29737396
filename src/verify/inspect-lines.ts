/** An inspected record in words. Pure: takes what is known, returns lines; says of each thing whether it was verified. */
import type { InspectedRecord, Proof } from './inspect.ts';

export function inspectLines(record: InspectedRecord): string[] {
  const { found, chain, chainName, origin, suite, kind, epoch, index, seq, time, dest, id, idGiven } = record;
  return [
    `Record   ${found._index}/${found._id}`,
    `  chain     ${chain}${chainName === '' ? '' : ` (${chainName})`}, ${origin === undefined ? 'which nobody trusts' : `of ${origin}`}`,
    `  place     seq ${seq} of the chain; number ${index} of epoch ${epoch}`,
    `  signed    ${new Date(time).toISOString()} by the clock of the proxy (${time})`,
    `  for       ${dest}, under ${idGiven ? 'the id that the shipper gave' : 'a generated id'}: ${id}`,
    `  kind      ${kind} record, suite ${suite}`,
    `  content   ${contentText(record)}`,
    `  C         ${record.hash} (${record.hashStored ? 'stored beside it' : 'recomputed from the content'})`,
    `  salt      ${record.salt ?? 'erased'}`,
    `  P         ${record.prev} (the tag of the record before it, or of the seal before its epoch)`,
    `  T         ${record.tag}: ${tagText(record)}`,
    ...Object.entries(record.digests ?? {}).map(
      ([name, value]) => `  ${name.padEnd(9)} ${value} (shown only: it decides nothing)`,
    ),
    `  leaf      ${record.leaf}`,
    `Epoch    ${proofText(record.epochProof, `leaf ${index}`, `the root in the seal of epoch ${epoch}`)}`,
    ...pathLines(record.epochProof),
    `Log      ${proofText(record.logProof, `its seal, entry ${record.logProof.entry ?? '?'},`, "the root in the instance's checkpoint")}`,
    ...pathLines(record.logProof),
  ];
}

function contentText({ contentFrom, contentBytes, contentVerifies }: InspectedRecord): string {
  if (contentFrom === 'erased') return 'is not there any more, nor is its salt: it cannot be compared with C';
  const from = contentFrom === 'raw' ? 'kept in raw' : 'the text of _source without the signature field';
  if (contentVerifies === undefined) return `${contentBytes} bytes, ${from}`;
  return `${contentBytes} bytes, ${from}: ${contentVerifies ? 'agrees with C' : 'DOES NOT AGREE WITH C, it was changed'}`;
}

function tagText({ tagVerifies }: InspectedRecord): string {
  if (tagVerifies === undefined) return 'taken as given, for want of the key';
  return tagVerifies ? 'verifies under the key of its epoch' : 'DOES NOT VERIFY under the key of its epoch';
}

function proofText(proof: Proof, what: string, root: string): string {
  if (!proof.proven) return `not proven: ${proof.reason}`;
  return `proven: ${what} is one of ${proof.size} under ${root}, ${proof.root}`;
}

function pathLines(proof: Proof): string[] {
  return proof.proven ? proof.path.map((node, at) => `  ${at === 0 ? 'path' : '    '}      ${node}`) : [];
}
