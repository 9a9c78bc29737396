/**
 * Which rows are judged together: consecutive epochs of one chain, as many as fit into memory at a time.
 *
 * Owns the mapping from (chain, epoch) to a partition number. Assumes the seals are known before the first record is.
 * Rows whose tag fails go by the seq they name, since their epoch is nobody's word.
 */
import type { SealTable } from './seal-table.ts';

const partitionsAChain = 2 ** 20;
const tailEpochs = 8;
const tailPartitionsMax = 4096;

/** One partition: positions of its first seal and of the one after its last, in the chain's list of seals. */
export interface Part {
  number: number;
  fromSeal: number;
  toSeal: number;
}

interface ChainPlan {
  /** Rows of the seal table, one an epoch, epochs ascending. */
  seals: number[];
  epochs: Float64Array;
  firsts: Float64Array;
  partOfSeal: Uint32Array;
  parts: Part[];
  hit: number;
}

export class PartitionPlan {
  readonly #chains: Map<number, ChainPlan> = new Map();

  /** `seals`: rows of the chain, one an epoch, ascending. */
  add(chain: number, seals: number[], table: SealTable, rowsMax: number): void {
    const parts: Part[] = [{ number: chain * partitionsAChain, fromSeal: 0, toSeal: 0 }];
    const partOfSeal = new Uint32Array(seals.length);
    let rows = 0;
    for (const [position, seal] of seals.entries()) {
      const count = table.word(seal, 'count');
      if (rows > 0 && rows + count > rowsMax && parts.length < partitionsAChain - tailPartitionsMax - 1) {
        parts.push({ number: chain * partitionsAChain + parts.length, fromSeal: position, toSeal: position });
        rows = 0;
      }
      rows += count;
      partOfSeal[position] = parts.length - 1;
      const part = parts.at(-1);
      if (part !== undefined) part.toSeal = position + 1;
    }
    this.#chains.set(chain, {
      seals,
      epochs: Float64Array.from(seals, (seal) => table.word(seal, 'epoch')),
      firsts: Float64Array.from(seals, (seal) => table.number(seal, 'first')),
      partOfSeal,
      parts,
      hit: 0,
    });
  }

  /** The chain's seals, one an epoch, ascending; empty for an unknown chain. */
  seals(chain: number): readonly number[] {
    return this.#chains.get(chain)?.seals ?? [];
  }

  /** Partitions in the order of judging; open epochs come last, each group of them a part without seals. */
  parts(chain: number): Part[] {
    return this.#chains.get(chain)?.parts ?? [];
  }

  tailParts(chain: number, known: ReadonlySet<number>): number[] {
    const start = chain * partitionsAChain + partitionsAChain - tailPartitionsMax;
    return [...known].filter((number) => number >= start && number < start + tailPartitionsMax).sort((a, b) => a - b);
  }

  /** Partition of a record that holds its place. */
  ofEpoch(chain: number, epoch: number): number {
    const plan = this.#chains.get(chain);
    const last = plan?.epochs.at(-1);
    if (plan === undefined || last === undefined || epoch > last) {
      const tail = Math.min(Math.floor((epoch - (last ?? -1) - 1) / tailEpochs), tailPartitionsMax - 1);
      return chain * partitionsAChain + partitionsAChain - tailPartitionsMax + tail;
    }
    const near = plan.hit;
    if (plan.epochs[near] === epoch) return chain * partitionsAChain + (plan.partOfSeal[near] ?? 0);
    const position = Math.max(0, floorPosition(plan.epochs, epoch));
    plan.hit = position;
    return chain * partitionsAChain + (plan.partOfSeal[position] ?? 0);
  }

  /** Partition of a document that only names a place. */
  ofSeq(chain: number, seq: number): number {
    const plan = this.#chains.get(chain);
    if (plan === undefined || plan.seals.length === 0) return this.ofEpoch(chain, 0);
    const position = Math.max(0, floorPosition(plan.firsts, seq));
    return chain * partitionsAChain + (plan.partOfSeal[position] ?? 0);
  }
}

/** Position of the last value that is not larger; -1 if all are. */
function floorPosition(values: Float64Array, wanted: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) <= wanted) low = middle + 1;
    else high = middle - 1;
  }
  return high;
}
