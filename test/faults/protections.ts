/**
 * What keeps records whole, each as the piece of source that can be taken out of a running proxy: a control run starts the
 * proxy without one of them, and the laboratory must then see the damage. Production code has no such switches: source-hook.ts
 * changes the text of one module as it is loaded. Must never name a text that is not in its file exactly once.
 */

export interface Edit {
  /** Repository path. */
  file: string;
  find: string;
  replace: string;
}

export interface Protection {
  /** What the proxy no longer does, for the table. */
  without: string;
  edits: readonly Edit[];
}

export const protectionNames = [
  'answer-names',
  'append-before-answer',
  'cursor-behind-answers',
  'directory-fsync',
  'directory-lock',
  'failed-write',
  'fair-turns',
  'fixed-id',
  'fsync',
  'log-bound',
  'look-up',
  'monotone-time',
  'roll-back-compare',
  'seal-before-key',
  'tag-compare',
] as const;

export type ProtectionName = (typeof protectionNames)[number];

export const protections: Readonly<Record<ProtectionName, Protection>> = {
  'answer-names': {
    without: 'ids asked for where results differ',
    edits: [
      {
        file: 'src/delivery/dispatch.ts',
        find: 'const named = this.#namedLeft > 0 ||',
        replace: 'const named =',
      },
      {
        file: 'src/delivery/dispatch.ts',
        find: 'return { answer, certain: named || alike };',
        replace: 'return { answer, certain: true };',
      },
    ],
  },
  'append-before-answer': {
    without: 'waiting for the log before the answer',
    edits: [
      {
        file: 'src/sequencer/sequencer.ts',
        find: 'ids, outcomes);\n    await Promise.all(writes);\n',
        replace: 'ids, outcomes);\n',
      },
    ],
  },
  'cursor-behind-answers': {
    without: 'a cursor that waits for answers',
    edits: [
      {
        file: 'src/delivery/in-flight.ts',
        find: 'return this.#frames[this.#head]?.position ?? this.#end;',
        replace: 'return this.#end;',
      },
    ],
  },
  'directory-fsync': {
    without: 'fsync of directories',
    edits: [
      { file: 'src/lib/durable-file.ts', find: 'await directory.sync();', replace: '' },
      { file: 'src/lib/file-system.ts', find: 'await calls.fsync(fd);', replace: '' },
    ],
  },
  'directory-lock': {
    without: 'the lock of the data directory',
    edits: [{ file: 'src/wal/lock.ts', find: '; BEGIN EXCLUSIVE', replace: '' }],
  },
  'failed-write': {
    without: 'the stop at a failed write',
    edits: [
      {
        file: 'src/wal/writer.ts',
        find: 'if (!isFullError(error)) throw error;\n      // Durably',
        replace: 'if (!isFullError(error)) return true;\n      // Durably',
      },
    ],
  },
  'fair-turns': {
    without: 'turns between clients',
    edits: [
      {
        file: 'src/sequencer/admission.ts',
        find: "async admit(bytes: number, signal: AbortSignal, source = ''): Promise<void> {",
        replace: "async admit(bytes: number, signal: AbortSignal): Promise<void> { const source = '';",
      },
    ],
  },
  'fixed-id': {
    without: 'a fixed id for each record',
    edits: [
      {
        file: 'src/delivery/batch.ts',
        find: 'at = this.#id(out, put(out, at, idOpen), record, flags);',
        replace: 'at = put(out, at, quotedEnd);',
      },
    ],
  },
  fsync: {
    without: 'fdatasync of the log',
    edits: [
      {
        file: 'src/wal/writer.ts',
        find: 'await this.#file.syncBytes();\n        await this.#settle(bytes);',
        replace: 'await this.#settle(bytes);',
      },
    ],
  },
  'log-bound': {
    without: 'the bound of the log',
    edits: [
      {
        file: 'src/wal/space.ts',
        find: 'return this.usedBytes + bytes <= bytesMax + reserveBytes;',
        replace: 'return true;',
      },
      { file: 'src/wal/write-ahead-log.ts', find: 'return bytes <= this.freeBytes;', replace: 'return true;' },
    ],
  },
  'look-up': {
    without: 'the look-up before sending again',
    edits: [
      {
        file: 'src/delivery/dispatch.ts',
        find: 'const unknown = rest.filter((item) => item.unknown);',
        replace: 'const unknown = []; for (const item of rest) item.unknown = false;',
      },
    ],
  },
  'monotone-time': {
    without: 'times that never go back',
    edits: [
      {
        file: 'src/sequencer/live-chain.ts',
        find: 'const timeMs = Math.max(nowMs, this.#lastTimeMs);',
        replace: 'const timeMs = nowMs;',
      },
    ],
  },
  'roll-back-compare': {
    without: 'the comparison with what the search engine knows',
    edits: [
      {
        file: 'src/proxy/stages.ts',
        find: '(await contact.tryOnce()) && store === undefined ? knowledgeOf(upstream, vkey) : undefined;',
        replace: '(await contact.tryOnce()) && undefined;',
      },
      { file: 'src/proxy/contact.ts', find: 'if (behind || (store', replace: 'if (false && (store' },
    ],
  },
  'seal-before-key': {
    without: 'the order of seal and key',
    edits: [
      {
        file: 'src/sequencer/epochs.ts',
        find: "const durable = wal.append(entry, 'reserve');",
        replace:
          "const closed = chain.epoch; chain.advance(this.#options.heads.byChain.get(chain.id22)?.mac, closedMs); await this.#replaceKey(chain); const durable = wal.append(entry, 'reserve');",
      },
      {
        file: 'src/sequencer/epochs.ts',
        find: 'chain.noteFrame(chain.epoch, await durable);',
        replace: 'chain.noteFrame(closed, await durable);',
      },
      {
        file: 'src/sequencer/epochs.ts',
        find: 'chain.advance(mac as Buffer, closedMs);\n    await this.#replaceKey(chain);',
        replace: '',
      },
    ],
  },
  'tag-compare': {
    without: 'the comparison of tags under a taken id',
    edits: [
      {
        file: 'src/delivery/unknown.ts',
        find: 'list.find((record) => record.tag === tag)',
        replace: 'list[0]',
      },
    ],
  },
};

/** Flags for Node that start a process, and its worker threads, without these. */
export function withoutProtection(...names: readonly ProtectionName[]): string[] {
  const hook = new URL('./source-hook.ts', import.meta.url);
  hook.searchParams.set('without', names.join());
  return names.length === 0 ? [] : ['--import', hook.href];
}
