/**
 * The first phase: who is trusted, which seals are entries of whose log, and whether log, checkpoints and memory agree.
 *
 * Owns the order of these questions. With keys a chain is taken by its record's tag; without keys the log is checked first, and a chain
 * is taken if its record is under a seal of it, or in the epoch that is still open.
 */

import { rootOf } from '../chain/merkle.ts';
import { parseNote, verifyCheckpoint } from '../chain/note.ts';
import type { TrustFile } from '../chain/trust-file.ts';
import { anchoredCheckpoints } from './anchors.ts';
import { ChainBook } from './chain-book.ts';
import type { LogAnswer, ValidCheckpoint } from './log-check.ts';
import { checkLog } from './log-check.ts';
import type { VerifyOptions } from './options.ts';
import type { SealQuestion } from './seal-check.ts';
import { attributeSeals, checkOrder, entriesOf, sealsByChain } from './seal-check.ts';
import { sealMark } from './seal-table.ts';
import type { KnownInstance } from './state-file.ts';
import type { StoredText, SystemDocuments } from './system-documents.ts';
import type { Tally } from './tally.ts';
import type { Growth, Instance, TrustRecord } from './trust.ts';
import { growTrust, presentedInstances, trustedInstance, trustRecords } from './trust.ts';
import { growWithSecrets } from './wrapped-secrets.ts';

export interface SystemAnswer {
  instances: Instance[];
  book: ChainBook;
  logs: LogAnswer[];
  /** Rows of the seal table by chain number, one an epoch, ascending. */
  seals: Map<number, number[]>;
  /** `<chain number> <epoch>` of seals that do not verify. */
  namedSeals: Set<string>;
  /** Newest boot record of each instance: heads of its chains at that start. */
  heads: Map<string, { epoch: number; seq: number }>;
  /** Names of what confirmed the log besides the checkpoints in the data. */
  anchored: string[];
}

export function judgeSystem(
  options: VerifyOptions,
  documents: SystemDocuments,
  known: readonly KnownInstance[],
  tally: Tally,
): SystemAnswer {
  const records = trustRecords(documents.control());
  const instances = trustedInstances(options, known, records);
  const withoutKeys = options.unwrap === undefined;
  const grown: Omit<Growth, 'book'> = {
    instances,
    records,
    isVerified: (record, chain) =>
      withoutKeys || chain.epochMac(record.epoch)?.verifiesTag(record.header, record.tag) === true,
    unwrap: options.unwrap,
    withoutKeys,
  };
  const growth: Growth = { ...grown, book: growWithSecrets(grown, () => documents.control()) };
  for (const chain of growth.book.chains) chain.goWithout();
  const question = { documents, instances, book: growth.book, tally, clockNow: options.now };
  const namedSeals = attributeSeals(question);
  const checkpoints = readCheckpoints(documents.checkpoints(), instances, tally);
  const anchors = anchoredCheckpoints(options.anchors, instances, tally);
  const logs = instances.map((instance) => {
    const bound = anchors.filter(({ origin }) => origin === instance.origin).map(({ checkpoint }) => checkpoint);
    const remembered = known.find(({ origin }) => origin === instance.origin);
    const own = [...(checkpoints.get(instance.number) ?? []), ...bound];
    return checkInstance(question, instance.number, own, remembered, namedSeals);
  });
  if (withoutKeys) keepProvenChains(growth, documents);
  const remembered = known.filter(
    ({ origin, size }) => size > 0 && instances.some((instance) => instance.origin === origin),
  );
  return {
    instances,
    book: growth.book,
    logs,
    seals: sealsByChain(question),
    namedSeals,
    heads: newestHeads(records),
    anchored: [...anchors.map(({ name }) => name), ...(remembered.length > 0 ? ["the verifier's own memory"] : [])],
  };
}

/** Trust files first; then what was pinned earlier; then what is there, pinned now. */
function trustedInstances(
  options: VerifyOptions,
  known: readonly KnownInstance[],
  records: readonly TrustRecord[],
): Instance[] {
  const given: readonly TrustFile[] = options.trust;
  const remembered: readonly TrustFile[] = given.length > 0 ? [] : known;
  const pinned = given.length + remembered.length === 0 ? presentedInstances(records) : [];
  const instances: Instance[] = [];
  for (const trust of [...given, ...remembered, ...pinned]) {
    const instance = trustedInstance(instances.length, trust, pinned.length > 0);
    if (instance === undefined) continue;
    const twice = instances.find(({ origin }) => origin === instance.origin);
    if (twice === undefined) instances.push(instance);
    else for (const id of instance.expected) twice.expected.add(id);
  }
  return instances;
}

function checkInstance(
  question: SealQuestion,
  instance: number,
  checkpoints: ValidCheckpoint[],
  known: KnownInstance | undefined,
  namedSeals: ReadonlySet<string>,
): LogAnswer {
  const { documents, tally } = question;
  const { seals } = documents;
  const rows = entriesOf(question, instance);
  const held = new Set(rows.map((row) => `${seals.word(row, 'chain')} ${seals.word(row, 'epoch')}`));
  const answer = checkLog({
    origin: question.instances[instance]?.origin ?? '',
    rows,
    table: seals,
    checkpoints,
    known,
    standIns: [...namedSeals].filter((name) => !held.has(name)).length,
    tally,
    foundAt: (row) => {
      const stored = documents.seal(row);
      return { _index: stored?.index ?? '', _id: stored?.id ?? '' };
    },
  });
  checkOrder(question, answer.order);
  return answer;
}

function readCheckpoints(
  notes: Iterable<StoredText>,
  instances: readonly Instance[],
  tally: Tally,
): Map<number, ValidCheckpoint[]> {
  const valid = new Map<number, ValidCheckpoint[]>();
  for (const { index, id, text } of notes) {
    const found = { _index: index, _id: id };
    const note = text.toString();
    if (parseNote(note) === undefined) {
      tally.find({ verdict: 'MALFORMED', found, detail: 'It cannot be read: the checkpoint is no signed note.' });
      continue;
    }
    const origin = note.slice(0, note.indexOf('\n'));
    const instance = instances.find((candidate) => candidate.origin === origin);
    if (instance === undefined) {
      tally.find({ verdict: 'FOREIGN', found, detail: 'A checkpoint of an instance that no trust file knows.' });
      continue;
    }
    const verified = verifyCheckpoint(note, instance.key);
    if (verified.ok) {
      const { size, root } = verified.checkpoint;
      const list = valid.get(instance.number) ?? [];
      list.push({ size, root, found });
      valid.set(instance.number, list);
    } else {
      const verdict = verified.forged ? 'FORGED' : 'MALFORMED';
      tally.find({ verdict, found, detail: `The checkpoint ${verified.reason}.` });
    }
  }
  return valid;
}

/** Without keys: chains that only an unproven record names are taken out again. */
function keepProvenChains(growth: Growth, documents: SystemDocuments): void {
  const { seals } = documents;
  const sealed = seals.byChain();
  const leaves = new Map<string, Buffer[]>();
  for (const record of trustRecords(documents.control(), true)) {
    const key = `${record.chain} ${record.epoch}`;
    const list = leaves.get(key) ?? [];
    list[record.index] = record.leaf;
    leaves.set(key, list);
  }
  const proven = new Map<string, boolean>();
  const isProven = ({ chain: id, epoch }: TrustRecord): boolean => {
    const chain = growth.book.get(id);
    const rows = sealed.get(chain?.number ?? -1) ?? [];
    const last = rows.at(-1);
    if (last === undefined || seals.word(last, 'epoch') < epoch) return true;
    const row = rows.find((candidate) => seals.word(candidate, 'epoch') === epoch);
    const list = leaves.get(`${id} ${epoch}`) ?? [];
    if (chain?.suite === undefined || row === undefined || !seals.has(row, sealMark.proven)) return false;
    if (list.length !== seals.word(row, 'count') || list.includes(undefined as never)) return false;
    return rootOf(chain.suite, list).equals(seals.part(row, 'root'));
  };
  const isKept = (record: TrustRecord): boolean => {
    const key = `${record.chain} ${record.epoch}`;
    const known = proven.get(key) ?? isProven(record);
    proven.set(key, known);
    return known;
  };
  const kept = new ChainBook();
  growTrust({ ...growth, book: kept, isVerified: isKept });
  for (const chain of growth.book.chains) if (kept.get(chain.id) === undefined) growth.book.remove(chain.id);
}

function newestHeads(records: readonly TrustRecord[]): Map<string, { epoch: number; seq: number }> {
  const heads = new Map<string, { epoch: number; seq: number }>();
  for (const { record } of records) {
    if (record.kind !== 'boot') continue;
    for (const [id, head] of Object.entries(record.body.chains)) heads.set(id, head);
  }
  return heads;
}
