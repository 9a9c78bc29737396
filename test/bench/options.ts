/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';

export const partNames = ['a', 'b', 'c', 'd', 'signed', 'e', 'size', 'verify', 'log', 'recovery', 'idle'] as const;
export type PartName = (typeof partNames)[number];

export interface BenchOptions {
  only: ReadonlySet<PartName>;
  recordBytes: number[];
  bulks: number[];
  rounds: number;
  /** Multiplies how many records are sent. */
  scale: number;
  /** Seconds of the long run; 0: none. */
  soak: number;
  /** What waits in the log at the start that is timed. */
  waitingGigabytes: number;
  idleConnections: number;
  directory: string | undefined;
  /** A file for the Markdown form. */
  out: string | undefined;
  /** Flags for the node of Logseal, to profile it. */
  nodeFlags: string[];
}

const help = `npm run bench -- [options]
  --only a,b,c,d,signed,e,size,verify,log,recovery,idle   parts (default all; signed is d′)
  --waiting 1           GB in the log for recovery  --idle 10000              connections for idle
  --records 0.3,1,2     sizes of a record, KB       --bulks 1,100,1000,5000   records a bulk
  --rounds 5            each number is a median      --scale 1                 more or fewer records
  --quick               0.3 KB, bulks of 1,000, 3 rounds, a third of the records
  --soak 600            only the long run, seconds: memory of Logseal under load
  --directory D         where data directories go (their disk is measured)
  --out F               the tables as Markdown      --node-flags="--cpu-prof …" for Logseal
`;

/** Undefined when only help was asked for. */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: text,
      records: text,
      bulks: text,
      rounds: text,
      scale: text,
      soak: text,
      waiting: text,
      idle: text,
      directory: text,
      out: text,
      'node-flags': text,
      quick: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return undefined;
  }
  const quick = values.quick === true;
  const only = values.only === undefined ? [...partNames] : values.only.split(',').map(partOf);
  return {
    only: new Set(only),
    recordBytes: numbers(values.records ?? (quick ? '0.3' : '0.3,1,2')).map((kilobytes) => kilobytes * 1000),
    bulks: numbers(values.bulks ?? (quick ? '1000' : '1,100,1000,5000')),
    rounds: number(values.rounds ?? (quick ? '3' : '5')),
    scale: number(values.scale ?? (quick ? '0.33' : '1')),
    soak: number(values.soak ?? '0'),
    waitingGigabytes: number(values.waiting ?? (quick ? '0.3' : '1')),
    idleConnections: number(values.idle ?? '10000'),
    directory: values.directory,
    out: values.out,
    nodeFlags: (values['node-flags'] ?? '').split(' ').filter((flag) => flag !== ''),
  };
}

function partOf(text: string): PartName {
  const part = partNames.find((name) => name === text);
  if (part === undefined) throw new Error(`--only: there is no part ${text}; parts are ${partNames.join(', ')}`);
  return part;
}

function numbers(text: string): number[] {
  return text.split(',').map(number);
}

function number(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`${text} is not a number`);
  return value;
}
