/** What tests of verification do with a built log: run it, tell the findings in short, begin and end it. */
import type { VerifyOptions } from '../../src/verify/options.ts';
import type { BuiltChain } from './log-builder.ts';
import { LogBuilder } from './log-builder.ts';
import type { RunResult } from './verify-run.ts';
import { runVerify } from './verify-run.ts';

type Options = Partial<VerifyOptions> & { live?: boolean; statePath?: string; withoutKey?: boolean };

export function judge(log: LogBuilder, options: Options = {}): Promise<RunResult> {
  const { withoutKey, ...rest } = options;
  const secrets = withoutKey === true ? undefined : log.secrets;
  return runVerify(log.documents, { trust: [log.trust], secrets, ...rest });
}

export function told({ findings }: RunResult): string[] {
  return findings.map(({ verdict, seq, epoch, to }) => {
    const run = to === undefined ? '' : `-${to}`;
    return `${verdict}${seq === undefined ? (epoch === undefined ? '' : ` epoch ${epoch}`) : ` ${seq}${run}`}`;
  });
}

/** One chain with a place, nothing sealed yet. */
export function begin(options: ConstructorParameters<typeof LogBuilder>[0] = {}): {
  log: LogBuilder;
  chain: BuiltChain;
} {
  const log = new LogBuilder(options);
  const chain = log.chain('logs');
  log.place('logs');
  return { log, chain };
}

/** Seals everything and publishes the checkpoint. */
export function end(log: LogBuilder): void {
  log.sealAll('shutdown');
  log.checkpoint();
}
