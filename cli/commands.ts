/** The table of commands. Each file is loaded only when its command is wanted: `logseal --help` loads none of them. */
import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<{ register(program: Command, terminal: Terminal): void }>;
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'show in two minutes what Logseal does',
    load: () => import('./demo.ts'),
  },
  {
    name: 'keygen',
    summary: "make the auditor's or an operator's key, away from the proxy",
    load: () => import('./keygen.ts'),
  },
  {
    name: 'verify',
    summary: 'say whether anything was changed, removed, added or moved',
    load: () => import('./verify.ts'),
  },
  {
    name: 'inspect',
    summary: 'show one record in full, with its proof',
    load: () => import('./inspect.ts'),
  },
  {
    name: 'export',
    summary: 'write everything that a verifier elsewhere needs, as NDJSON',
    load: () => import('./export.ts'),
  },
  {
    name: 'trust',
    summary: 'write the trust file that a verifier brings with him',
    load: () => import('./trust.ts'),
  },
  {
    name: 'rejects',
    summary: 'what the search engine refused: list, show, send again, discard',
    load: () => import('./rejects.ts'),
  },
  {
    name: 'rotate',
    summary: "end chains and begin new ones, by an operator's order",
    load: () => import('./rotate.ts'),
  },
  {
    name: 'acknowledge',
    summary: "say of a finding that it is known, by an operator's act",
    load: () => import('./acknowledge.ts'),
  },
  {
    name: 'operator',
    summary: 'what an operator needs to know, the policy, and acts signed offline',
    load: () => import('./operator.ts'),
  },
  { name: 'keys', summary: 'wrap, show and unwrap chain secrets', load: () => import('./keys.ts') },
  {
    name: 'redeliver',
    summary: 'send again what the log still keeps, after the search engine was restored',
    load: () => import('./redeliver.ts'),
  },
  {
    name: 'doctor',
    summary: 'look at everything that has to be right for the proxy to run, and what records will take',
    load: () => import('./doctor.ts'),
  },
  {
    name: 'health',
    summary: 'ask the proxy of this configuration whether it accepts records: for health checks',
    load: () => import('./health.ts'),
  },
  {
    name: 'wal',
    summary: 'show what the logs of a data directory hold and what waits, or check every byte of them',
    load: () => import('./wal.ts'),
  },
  {
    name: 'templates',
    summary: 'show what was changed in index templates, or undo it',
    load: () => import('./templates.ts'),
  },
  {
    name: 'config',
    summary: 'check the configuration, or print it with the place each value comes from',
    load: () => import('./config.ts'),
  },
  {
    name: 'clients',
    summary: "make and check entries for the proxy's own clients",
    load: () => import('./clients.ts'),
  },
];
