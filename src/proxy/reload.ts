/**
 * Owns the reload of the configuration, all or nothing: every part first looks at the new one and says what it would do, and
 * only when none has objected is anything done. Doing must not fail, and is one step for whoever watches: no part sees the
 * others half changed. What only a restart can change is left as it is, and named.
 */
import type { Config } from '../config/config.ts';
import { changedSettings, reloadedConfig } from '../config/load.ts';
import type { EventLog } from '../log.ts';

/** What one part would do. */
export interface Prepared {
  /** What changes besides the settings themselves: the content of files. Never a secret. */
  readonly changes: readonly string[];
  apply(): void;
}

/** Reads whatever it needs; throws CONFIG_INVALID when it cannot be used. Changes nothing. */
export type Prepare = (config: Config) => Prepared;

export class Reload {
  readonly #started: Config;
  readonly #parts: readonly Prepare[];
  readonly #log: EventLog;
  #inForce: Config;

  constructor(started: Config, parts: readonly Prepare[], log: EventLog) {
    this.#started = started;
    this.#inForce = started;
    this.#parts = parts;
    this.#log = log;
  }

  /** `load` gives the checked configuration as a start would see it now, or throws. */
  run(load: () => Config): void {
    try {
      const asked = load();
      // Checked as a whole again: what is mixed from the old and the new can contradict itself although both are right.
      const next = reloadedConfig(this.#started, asked);
      const prepared = this.#parts.map((prepare) => prepare(next));
      const { reload } = changedSettings(this.#inForce, next);
      const { restart } = changedSettings(this.#started, asked);
      for (const { apply } of prepared) apply();
      this.#log.setLevel(next.log.level);
      this.#inForce = next;
      this.#log.event('config-reloaded', { settings: reload, changes: prepared.flatMap(({ changes }) => changes) });
      if (restart.length > 0) this.#log.event('config-needs-restart', { settings: restart });
    } catch (error) {
      this.#log.event('config-rejected', { error });
    }
  }
}
