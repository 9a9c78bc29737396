/**
 * Where operators' acts come in: checks signature, origin, serial and form, and signs what holds as a control record. The private key
 * never is here. Takes one act after the other, so that serials rise; a serial counts as used once it is on disk, before its record is.
 */
import type { KeyObject } from 'node:crypto';
import type { ControlKind } from '../chain/control-form.ts';
import type { ControlRecord, OperatorSignature } from '../chain/control-record.ts';
import { decodeControl, needsOperator, operatorKeyId, verifyOperator } from '../chain/control-record.ts';
import { LogsealError } from '../errors.ts';
import type { EventLog } from '../log.ts';
import type { Instance } from '../sequencer/instance.ts';
import type { Signing } from '../sequencer/open.ts';

export interface OperatorDeskOptions {
  instance: Instance;
  signing: Signing;
  /** Public keys, from the configuration. */
  keys: readonly KeyObject[];
  log: Pick<EventLog, 'event'>;
  /** Told after each act. */
  contact: { acted(): void };
}

/** What an operator needs to know to write an act. */
export interface DeskStatus {
  v: 1;
  origin: string;
  /** SHA-256 of each known key's SPKI, and the highest serial that it has used; -1: none. */
  keys: { key: string; serial: number }[];
  /** `rolledBack`: waits for an operator to rotate it for this reason. `prepared`: signs in place of one that does. */
  chains: {
    id: string;
    name: string;
    epoch: number;
    seq: number;
    control: boolean;
    rolledBack: boolean;
    prepared: boolean;
  }[];
}

/** Where the act's record stands in logseal-control. */
export interface TakenAct {
  kind: ControlKind;
  id: string;
  seq: number;
}

/** Retire and erase want more than a signature: what they name has to be looked at first. */
const takenKinds: ReadonlySet<ControlKind> = new Set(['rotate', 'acknowledge', 'discard', 'policy']);
const seqRangesMax = 10_000;

export class OperatorDesk {
  readonly #options: OperatorDeskOptions;
  readonly #keys: ReadonlyMap<string, KeyObject>;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: OperatorDeskOptions) {
    this.#options = options;
    this.#keys = new Map(options.keys.map((key) => [operatorKeyId(key), key]));
  }

  status(): DeskStatus {
    const { instance, signing } = this.#options;
    const { serials = {}, rolledBack, prepared } = instance.state;
    const { control } = signing.chains;
    return {
      v: 1,
      origin: instance.origin,
      keys: Array.from(this.#keys.keys(), (key) => ({ key, serial: serials[key] ?? -1 })),
      chains: signing.chains.all.map((chain) => ({
        id: chain.id22,
        name: chain.name,
        epoch: chain.epoch,
        seq: chain.nextSeq,
        control: chain === control,
        rolledBack: rolledBack?.chains.includes(chain.id22) === true,
        prepared: prepared?.some(({ body }) => body.id === chain.id22) === true,
      })),
    };
  }

  /** Makes the chain that a rotate act is to name. Errors: ACT_REFUSED if `old` is no open chain, or no operator is known. */
  prepare(old: unknown): Promise<{ old: string; new: string }> {
    return this.#inTurn(async () => {
      if (this.#keys.size === 0) throw refused('operator.keys is empty: this proxy takes no acts');
      const { chains } = this.#options.signing;
      const chain = chains.all.find(({ id22 }) => id22 === old);
      if (chain === undefined) throw refused('there is no such open chain');
      return { old: chain.id22, new: (await chains.prepare(chain)).id };
    });
  }

  /** `act` is {v, origin, kind, body, operator}. Resolves when its record is on disk. Errors: ACT_REFUSED, LOG_FULL, STOPPING. */
  take(act: unknown): Promise<TakenAct> {
    return this.#inTurn(async () => {
      const { instance, log, contact } = this.#options;
      const record = this.#read(act);
      const { kind, operator } = record;
      this.#checkSignature(record, operator);
      this.#checkSense(record);
      const { serials = {}, policies = {} } = instance.state;
      await instance.update({
        serials: { ...serials, [operator.key]: operator.serial },
        ...(record.kind === 'policy' ? { policies: { ...policies, [record.body.class]: record.body.keys } } : {}),
      });
      const said = await this.#sign(record, operator);
      log.event('operator-act', { kind, operator: operator.key, serial: operator.serial, seq: said.seq });
      contact.acted();
      return { kind, ...said };
    });
  }

  #read(act: unknown): ControlRecord & { operator: OperatorSignature } {
    const { origin, kind, body, operator, v } = (act ?? {}) as Record<string, unknown>;
    if (v !== 1 || typeof kind !== 'string') throw refused('is no act of format 1');
    if (origin !== this.#options.instance.origin) {
      throw refused(`was signed for another instance than ${this.#options.instance.origin}`);
    }
    const decoded = decodeControl(Buffer.from(JSON.stringify({ [kind]: body, operator })));
    if (!decoded.ok) throw refused(decoded.reason);
    const { record } = decoded;
    if (record.operator === undefined) throw refused('bears no signature');
    if (!takenKinds.has(record.kind) || !needsOperator(record.kind, record.body)) {
      throw refused(`acts of this kind are not taken here: ${[...takenKinds].join(', ')} are`);
    }
    return { ...record, operator: record.operator };
  }

  #checkSignature(record: ControlRecord, operator: OperatorSignature): void {
    const { instance } = this.#options;
    const key = this.#keys.get(operator.key);
    if (key === undefined) throw refused(`its key ${operator.key} is none of operator.keys`);
    if (!verifyOperator(key, instance.origin, record)) throw refused('its signature does not verify');
    const last = instance.state.serials?.[operator.key] ?? -1;
    if (operator.serial <= last) throw refused(`its serial ${operator.serial} is used up: the key has reached ${last}`);
    // A verifier would call it UNAUTHORISED, for ever.
    const listed = Object.values(instance.state.policies ?? {});
    if (listed.length > 0 && !listed.some((keys) => keys.includes(operator.key))) {
      throw refused(`its key ${operator.key} is not named by the policy that holds`);
    }
  }

  /** Signed records cannot be taken back, so what could mean nothing is refused. */
  #checkSense(record: ControlRecord): void {
    if (record.kind === 'acknowledge') {
      const { chain, from, to } = record.body;
      this.#checkChain(chain);
      if (from > to) throw refused('its range ends before it begins');
    } else if (record.kind === 'discard') {
      this.#checkChain(record.body.chain);
      if (record.body.seqs.length > seqRangesMax) throw refused(`it names more than ${seqRangesMax} ranges`);
    } else if (record.kind === 'policy' && record.body.keys.length === 0) {
      throw refused('a policy without keys would make every later act void');
    }
  }

  #checkChain(id: string): void {
    if (!this.#options.signing.knowsChain(id)) throw refused(`${id} is no chain of this instance`);
  }

  #sign(record: ControlRecord, operator: OperatorSignature): Promise<{ id: string; seq: number }> {
    const { signing } = this.#options;
    if (record.kind === 'rotate') return signing.rotateOrdered({ ...record.body, operator });
    return signing.sequencer.control(record.kind, record.body, [], operator);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function refused(why: string): LogsealError {
  return new LogsealError('ACT_REFUSED', `the act is refused: ${why}`);
}
