/**
 * Owns the reload of the configuration, all or nothing: every part first looks at the new one and says what it would do, and
 * only when none has objected is anything done. Doing must not fail, and is one step for whoever watches: no part sees the
 * others half changed. What only a restart can change is left as it is, and named.
 */
import type { Config } from '../config/config.ts';
import { changedSettings, reloadedConfig } from '../config/load.ts';
import { systemClock } from '../lib/clock.ts';
import type { EventLog } from '../log.ts';
import type { Metrics } from '../metrics.ts';

/** What one part would do. */
export interface Prepared {
  /** What changes besides the settings themselves: the content of files. Never a secret. */
  readonly changes: readonly string[];
  apply(): void;
}

/** Reads whatever it needs; throws CONFIG_INVALID when it cannot be used. Changes nothing. */
export type Prepare = (config: Config) => Prepared;

export interface ReloadOptions {
  /** As the proxy was started. */
  config: Config;
  log: EventLog;
  metrics: Pick<Metrics, 'reloadSucceeded' | 'lastReload'>;
}

export class Reload {
  readonly #options: ReloadOptions;
  readonly #parts: readonly Prepare[];
  #inForce: Config;

  constructor(options: ReloadOptions, parts: readonly Prepare[]) {
    this.#options = options;
    this.#inForce = options.config;
    this.#parts = parts;
    this.#note(true);
  }

  /** `load` gives the checked configuration as a start would see it now, or throws. */
  run(load: () => Config): void {
    const { config: started, log } = this.#options;
    try {
      const asked = load();
      // Checked as a whole again: what is mixed from the old and the new can contradict itself although both are right.
      const next = reloadedConfig(started, asked);
      const prepared = this.#parts.map((prepare) => prepare(next));
      const { reload } = changedSettings(this.#inForce, next);
      const { restart } = changedSettings(started, asked);
      for (const { apply } of prepared) apply();
      log.setLevel(next.log.level);
      this.#inForce = next;
      this.#note(true);
      log.event('config-reloaded', { settings: reload, changes: prepared.flatMap(({ changes }) => changes) });
      if (restart.length > 0) log.event('config-needs-restart', { settings: restart });
    } catch (error) {
      this.#note(false);
      log.event('config-rejected', { error });
    }
  }

  #note(succeeded: boolean): void {
    const { reloadSucceeded, lastReload } = this.#options.metrics;
    reloadSucceeded.set(succeeded ? 1 : 0);
    if (succeeded) lastReload.set(systemClock.now() / 1000);
  }
}
