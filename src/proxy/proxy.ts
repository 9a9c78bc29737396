/**
 * The composition root: builds each stage, hands it the next, and ends them in the reverse order. Decides nothing about records.
 * Order of the start: lock, identity, log, chains, delivery thread, sockets; then, when the search engine answers, delivery.
 */
import type { Config } from '../config/config.ts';
import { DirectoryLock } from '../wal/lock.ts';
import { Access } from './access.ts';
import { findAuditors } from './auditors.ts';
import type { Doors } from './doors.ts';
import { openDoors } from './doors.ts';
import { fullStart } from './full-start.ts';
import type { ProxyOptions } from './options.ts';
import { openClients } from './own-clients.ts';
import { Reload } from './reload.ts';
import { Shutdown, waitingFields } from './shutdown.ts';
import type { Stages } from './stages.ts';
import { openStages, openUpstream, startEmbedded } from './stages.ts';

export class LogsealProxy {
  readonly developmentDir: string | undefined;
  readonly listen: { host: string; port: number };
  readonly adminListen: { host: string; port: number };
  readonly #stages: Stages;
  readonly #shutdown: Shutdown;
  readonly #reload: Reload;

  private constructor(options: ProxyOptions, stages: Stages, doors: Doors, developmentDir: string | undefined) {
    this.#stages = stages;
    const { config, log } = options;
    this.#shutdown = new Shutdown({ stages, doors, log, timeoutMs: config.stop.timeout });
    this.#reload = new Reload(options, doors.prepare);
    this.developmentDir = developmentDir;
    this.listen = doors.server.address;
    this.adminListen = doors.admin.address;
  }

  /** Resolves when records can be accepted. */
  static async start(options: ProxyOptions): Promise<LogsealProxy> {
    const { config, log } = options;
    const access = new Access(config, log);
    const clients = openClients(config);
    const lock = await DirectoryLock.acquire(config.dataDir).catch(async (error) => {
      throw await fullStart(error, config);
    });
    const undo: (() => Promise<unknown> | unknown)[] = [() => lock.release()];
    try {
      const auditors = await findAuditors(config.auditor.certificates, config.dataDir);
      if (auditors.developmentDir !== undefined) log.event('development-key', { directory: auditors.developmentDir });
      const embedded = config.elasticsearch.url.length === 0;
      const store = embedded ? await startEmbedded(options) : undefined;
      if (store !== undefined) undo.push(() => store.stop());
      const upstream = openUpstream(options, store);
      undo.push(() => upstream.close());
      const stages = await openStages(options, lock, store, upstream, auditors.certificates);
      const doors = await openDoors({ ...options, ...stages }, access, clients);
      stages.contact.begin();
      return new LogsealProxy(options, stages, doors, auditors.developmentDir);
    } catch (error) {
      for (const act of undo.reverse()) await act();
      throw await fullStart(error, config);
    }
  }

  /** All or nothing; the log says what became of it. `load` gives the checked configuration as a start would see it now. */
  reload(load: () => Config): void {
    this.#reload.run(load);
  }

  /**
   * Takes no more requests, answers those under way, seals, delivers what it can, and leaves the directory clean. Takes about
   * `stop.timeout` where nothing hangs; who does not want to wait longer ends the process.
   */
  stop(): Promise<void> {
    return this.#shutdown.run();
  }

  /** What of the stop is still to be done. */
  get undone(): string[] {
    return this.#shutdown.undone;
  }

  /** For events: records and bytes that wait in the log. */
  get waiting(): ReturnType<typeof waitingFields> {
    return waitingFields(this.#stages);
  }
}
