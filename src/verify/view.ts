/**
 * What people see against what was signed (FORMAT section 4): the visible fields of a record that carries `raw`, and the mappings and
 * aliases that a search goes through.
 *
 * Owns the choice between comparing bytes, values, and what synthetic `_source` makes of values. Assumes the signed content verified
 * already. Values never appear in what it says.
 */
import { MappingDrift } from './mapping-drift.ts';
import type { IndexDescription, SeenRecord, ViewJudge, ViewOutcome } from './source.ts';
import type { MappedFields } from './view-fields.ts';
import { mappedFields } from './view-fields.ts';
import { PathSet } from './view-paths.ts';
import type { Difference } from './view-strict.ts';
import { compareStrictly } from './view-strict.ts';
import { compareSynthetic } from './view-synthetic.ts';
import type { ParsedTree, TreeObject } from './view-tree.ts';
import { parseTree } from './view-tree.ts';

interface IndexView {
  sourceMode: IndexDescription['sourceMode'];
  fields: MappedFields;
  drift: MappingDrift;
}

export class ViewComparison implements ViewJudge {
  readonly #indices: Map<string, IndexView> = new Map();
  #lastName = '';
  #lastView: IndexView = viewOf({ name: '', mappings: {}, sourceMode: 'unknown', filteredAliases: [] });
  #lastPaths: readonly string[] = [];
  #changeable: PathSet = new PathSet([]);

  describe(index: IndexDescription): void {
    this.#indices.set(index.name, viewOf(index));
  }

  compare(record: SeenRecord): ViewOutcome | undefined {
    const view = this.#view(record.index);
    view.drift.signed(record.signed);
    if (sameBytes(record)) return undefined;
    const signed = parseTree(record.signed.toString());
    const seen = visible(record.source);
    if (signed === undefined || seen === undefined) return { drift: 'What people see cannot be read as JSON.' };
    if (signed.twice || seen.twice) {
      return { drift: 'A name stands twice in an object, and what people see is not what was signed to the byte.' };
    }
    if (record.pipelinePaths !== this.#lastPaths) {
      this.#lastPaths = record.pipelinePaths;
      this.#changeable = new PathSet(record.pipelinePaths);
    }
    return outcomeOf(this.#difference(view, signed.root, seen.root));
  }

  signed(index: string, content: Buffer): void {
    this.#view(index).drift.signed(content);
  }

  finish(): { index: string; detail: string }[] {
    return [...this.#indices].flatMap(([index, { drift }]) => drift.found().map((detail) => ({ index, detail })));
  }

  /** Where nobody says how `_source` is kept, either way of keeping it is taken. */
  #difference(view: IndexView, signed: TreeObject, seen: TreeObject): Difference {
    const changeable = this.#changeable;
    const { fields, vectors } = view.fields;
    if (view.sourceMode !== 'synthetic') {
      const strict = compareStrictly(signed, seen, { changeable, omitted: vectors });
      if (view.sourceMode === 'stored' || strict.paths.length === 0) return strict;
    }
    return compareSynthetic(signed, seen, { changeable, fields });
  }

  #view(index: string): IndexView {
    if (index === this.#lastName) return this.#lastView;
    let view = this.#indices.get(index);
    if (view === undefined) {
      view = viewOf({ name: index, mappings: {}, sourceMode: 'unknown', filteredAliases: [] });
      this.#indices.set(index, view);
    }
    this.#lastName = index;
    this.#lastView = view;
    return view;
  }
}

function viewOf(index: IndexDescription): IndexView {
  return { sourceMode: index.sourceMode, fields: mappedFields(index.mappings), drift: new MappingDrift(index) };
}

function outcomeOf({ paths, uncompared }: Difference): ViewOutcome | undefined {
  if (paths.length === 0 && uncompared.length === 0) return undefined;
  const drift = `What people see differs from what was signed in ${paths.join(', ')}.`;
  return { ...(paths.length === 0 ? {} : { drift }), ...(uncompared.length === 0 ? {} : { uncompared }) };
}

/** The rest of the document after the spliced field is the signed content, line ends as blanks. */
function sameBytes({ source, fieldEnd, signed }: SeenRecord): boolean {
  if (fieldEnd === undefined) return false;
  const rest = source[fieldEnd] === 0x2c ? fieldEnd + 1 : fieldEnd;
  if (source.length - rest !== signed.length - 1) return false;
  if (source.compare(signed, 1, signed.length, rest, source.length) === 0) return true;
  for (let at = 1; at < signed.length; at++) {
    const byte = signed[at];
    const wanted = byte === 0x0a || byte === 0x0d ? 0x20 : byte;
    if (source[rest + at - 1] !== wanted) return false;
  }
  return true;
}

/** Everything but the signature field. */
function visible(source: Buffer): ParsedTree | undefined {
  const parsed = parseTree(source.toString());
  parsed?.root.delete('logseal');
  return parsed;
}
