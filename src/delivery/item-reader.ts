/** Makes items of the records of a frame. Shared by every reader of the log; one a reader. */
import { RecordView } from '../journal/records-entry.ts';
import type { Destination, Destinations } from './destinations.ts';
import type { Item, RecordsFrame } from './item.ts';
import { firstRecordAt, MetaTable } from './item.ts';

export class ItemReader {
  readonly #destinations: Destinations;
  readonly #metas = new MetaTable();
  readonly #view = new RecordView();
  /** Neighbours mostly have the same destination: bytes are compared before a name is made of them. */
  #lastBytes: Buffer = Buffer.alloc(0);
  #last: Destination | undefined;

  constructor(destinations: Destinations) {
    this.#destinations = destinations;
  }

  /** Appends the frame's records that `wants` takes to `items`, and counts them into `frame.pending`. Returns their bytes. */
  read(frame: RecordsFrame, unknown: boolean, wants: (d: Destination) => boolean, items: Item[]): number {
    const { payload } = frame;
    const view = this.#view;
    let bytes = 0;
    for (let at = firstRecordAt; at < payload.length; at = view.next) {
      view.seek(payload, at);
      const destination = this.#destinationOf(view);
      if (!wants(destination)) continue;
      const item: Item = {
        frame,
        at,
        seq: view.seq,
        destination,
        meta: this.#metas.of(view.metaLength === 0 ? '' : view.meta),
        bytes: view.next - at,
        raw: false,
        unknown,
      };
      items.push(item);
      frame.pending += 1;
      bytes += item.bytes;
    }
    return bytes;
  }

  #destinationOf(view: RecordView): Destination {
    const { payload, destAt, idAt } = view;
    const same =
      this.#lastBytes.length === idAt - destAt &&
      this.#lastBytes.compare(payload, destAt, idAt) === 0 &&
      this.#last !== undefined;
    if (same && this.#last !== undefined) return this.#last;
    this.#lastBytes = Buffer.from(payload.subarray(destAt, idAt));
    this.#last = this.#destinations.of(view.dest);
    return this.#last;
  }
}
