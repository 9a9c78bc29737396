/** What a proxy is made of, from outside. */
import type { Config } from '../config/config.ts';
import type { EventLog } from '../log.ts';
import type { Metrics } from '../metrics.ts';

export interface ProxyOptions {
  config: Config;
  log: EventLog;
  metrics: Metrics;
  version: string;
  /** Called once, with what makes it unsafe to go on: the process ends, and the next start recovers. */
  fatal: (error: unknown) => void;
}
