/** The part of the list of settings that says whose records are taken: clients of the proxy's own beside the search engine's. */
import type { SettingKey } from './config.ts';
import type { Setting } from './settings.ts';

export const clientSettings = {
  'clients.file': {
    type: 'secret',
    default: null,
    reason:
      'YAML list of clients of the proxy itself, with hashes of their secrets and what each may write; not set passes all credentials on; its content is read again on SIGHUP',
  },
  'clients.mode': {
    type: 'choice',
    choices: ['own', 'either'],
    default: 'own',
    reason:
      'with a clients.file: "own" takes nobody else; "either" passes the credentials of everybody else on to the search engine',
  },
} as const satisfies Partial<Record<SettingKey, Setting>>;
