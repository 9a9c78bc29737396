/**
 * Reads the documents of logseal-control as records like all others, and makes facts of those that verify.
 *
 * Owns which records may speak: type 1, in a control chain of a trusted instance, unchanged. What anybody else says there is only judged.
 */
import { decodeControl } from '../chain/control-record.ts';
import type { ControlFacts } from './control-facts.ts';
import type { Examiner } from './examine.ts';
import type { StoredText } from './system-documents.ts';
import type { Tally } from './tally.ts';
import type { Instance } from './trust.ts';

export class ControlReader {
  readonly #examiner: Examiner;
  readonly #facts: ControlFacts;
  readonly #instances: readonly Instance[];
  readonly #tally: Tally;
  /** Places that have spoken: a copy of a record is not a second fact. */
  readonly #heard: Set<string> = new Set();

  constructor(examiner: Examiner, facts: ControlFacts, instances: readonly Instance[], tally: Tally) {
    this.#examiner = examiner;
    this.#facts = facts;
    this.#instances = instances;
    this.#tally = tally;
  }

  read(documents: Iterable<StoredText>): void {
    for (const document of documents) this.#readOne(document);
  }

  #readOne({ index, id, text }: StoredText): void {
    const examined = this.#examiner.examine({ index, id, source: text });
    if (examined?.verdict !== 'verified' || examined.type !== 1) return;
    const { chain, epoch, seq, time, content } = examined;
    const instance = this.#instances[chain.instance];
    const place = `${chain.number} ${seq}`;
    if (instance?.controls.has(chain.id) !== true || this.#heard.has(place)) return;
    this.#heard.add(place);
    const decoded = decodeControl(content);
    const found = { _index: index, _id: id };
    if (decoded.ok) {
      this.#facts.add({ record: decoded.record, origin: instance.origin, chain: chain.id, epoch, seq, time, found });
      return;
    }
    const detail = `A control record that ${decoded.reason}; what it says was not taken into account.`;
    this.#tally.find({ verdict: 'UNSUPPORTED', chain: chain.id, epoch, seq, time, found, detail });
  }
}
