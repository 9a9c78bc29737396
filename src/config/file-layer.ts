/** Reads the YAML file and keeps the line of each value. Bounded; duplicate keys, anchors with cycles and bad YAML are problems. */
import { readFileSync, statSync } from 'node:fs';
import type { Node } from 'yaml';
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Layer, Problem } from './layer.ts';

const FILE_BYTES_MAX = 1024 * 1024;

/** An empty file says nothing; an unreadable one is a problem, never a silent default. */
export function fileLayer(path: string, problems: Problem[]): Layer {
  const nothing: Layer = { values: {}, where: () => path };
  const text = readText(path, problems);
  if (text === undefined) return nothing;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const { pos, message } of document.errors) {
    problems.push({ where: `${path}:${lines.linePos(pos[0]).line}`, key: '', sentence: message });
  }
  if (document.errors.length > 0) return nothing;
  const values: unknown = document.toJS({ maxAliasCount: 20 }) ?? {};
  if (typeof values !== 'object' || Array.isArray(values)) {
    problems.push({ where: `${path}:1`, key: '', sentence: 'the file must be a mapping of settings' });
    return nothing;
  }
  return {
    values: values as Record<string, unknown>,
    where(place) {
      for (let depth = place.length; depth > 0; depth -= 1) {
        const node = keyNode(document.contents, place.slice(0, depth));
        if (node?.range) return `${path}:${lines.linePos(node.range[0]).line}`;
      }
      return path;
    },
  };
}

function readText(path: string, problems: Problem[]): string | undefined {
  try {
    const { size } = statSync(path);
    if (size <= FILE_BYTES_MAX) return readFileSync(path, 'utf8');
    problems.push({ where: path, key: '', sentence: `the file has ${size} bytes, more than ${FILE_BYTES_MAX}` });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    problems.push({ where: path, key: '', sentence: `the file cannot be read (${code})` });
  }
  return undefined;
}

/** The node to point at: a member's name, or an element of a list. */
function keyNode(root: unknown, place: readonly string[]): Node | undefined {
  let node = root;
  let found: unknown;
  for (const name of place) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === name);
      [found, node] = [pair?.key, pair?.value];
    } else if (isSeq(node)) {
      found = node.items[Number(name)];
      node = found;
    } else return undefined;
  }
  return isNode(found) ? found : undefined;
}
