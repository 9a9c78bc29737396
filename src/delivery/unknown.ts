/**
 * What became of records whose answer is unknown (time-out, reset, restart), and of those that met a taken id: looked for in
 * real time under their id. A document counts as ours only by its tag. Decides nothing about records that are not found.
 */
import type { StoredRecord, WantedRecord } from '../upstream/lookup.ts';
import type { Destination } from './destinations.ts';
import { isPassing } from './destinations.ts';
import type { Item } from './item.ts';
import { tagOf, viewOf } from './item.ts';
import type { Places } from './places.ts';
import type { DeliveryUpstream } from './port.ts';

export interface FoundItem {
  item: Item;
  /** The document with our tag. */
  ours: StoredRecord | undefined;
  /** A document under that id with another tag, or with none. */
  other: StoredRecord | undefined;
  /** Its destination could not be looked into. */
  hidden: boolean;
}

const itemsMax = 1000;

/** `indexOf` gives the only index to look in; undefined: all that can hold the record. Fails with what passes by itself. */
export async function findItems(
  items: readonly Item[],
  upstream: DeliveryUpstream,
  places: Places,
  indexOf: (item: Item) => string | undefined = () => undefined,
): Promise<FoundItem[]> {
  const groups = new Map<Destination, Item[]>();
  for (const item of items) {
    const group = groups.get(item.destination);
    if (group === undefined) groups.set(item.destination, [item]);
    else group.push(item);
  }
  const found: FoundItem[] = [];
  for (const group of groups.values()) {
    for (let start = 0; start < group.length; start += itemsMax) {
      found.push(...(await findPart(group.slice(start, start + itemsMax), upstream, places, indexOf)));
    }
  }
  return found;
}

/** Of one destination, so that one that cannot be looked into hides no other. */
async function findPart(
  items: readonly Item[],
  upstream: DeliveryUpstream,
  places: Places,
  indexOf: (item: Item) => string | undefined,
): Promise<FoundItem[]> {
  let lists: StoredRecord[][];
  try {
    lists = await upstream.find(items.map((item) => wanted(item, indexOf(item), places)));
  } catch (error) {
    if (isPassing(error)) throw error;
    return items.map((item) => ({ item, ours: undefined, other: undefined, hidden: true }));
  }
  return items.map((item, i) => {
    const list = lists[i] ?? [];
    const tag = tagOf(item);
    return {
      item,
      ours: list.find((record) => record.tag === tag),
      other: list.find((record) => record.tag !== tag),
      hidden: false,
    };
  });
}

function wanted(item: Item, index: string | undefined, places: Places): WantedRecord {
  const record = viewOf(item);
  const { name } = item.destination;
  const common = { dest: name, id: record.id, routing: item.meta.routing, timeMs: record.timeMs };
  // An alias may have been switched away from where the record went.
  if (index === undefined || index === '') return { ...common, formerIndices: places.newest(name) };
  return { ...common, index };
}
