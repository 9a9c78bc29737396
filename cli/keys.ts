/** `logseal keys wrap|show|unwrap`: the secrets of chains, as they lie with the proxy and as an auditor opens them. */
import type { Command } from 'commander';
import { suiteNames } from '../src/config/config.ts';
import { showKeys } from './keys-show.ts';
import { unwrapKeys } from './keys-unwrap.ts';
import { wrapKey } from './keys-wrap.ts';
import { addSourceOptions } from './source-argument.ts';
import type { Terminal } from './terminal.ts';

export function register(program: Command, terminal: Terminal): void {
  const group = program.command('keys').description('Wrap, show and unwrap the secrets of chains.');
  group
    .command('wrap')
    .description('wrap a chain secret to auditor certificates, as the proxy does when it makes a chain')
    .requiredOption('--certificate <file...>', 'PEM certificates of the auditors')
    .option('--secret-file <file>', 'the secret, 32 bytes or 43 characters of base64url (default: a fresh one)')
    .option('--suite <name>', `suite of the chain: ${suiteNames.join(', ')}`, suiteNames[0])
    .option('--out <file>', 'write the wrapped secret here, as DER for openssl cms')
    .option('--json', 'one object a line')
    .action((options) => wrapKey(options, terminal));
  group
    .command('show')
    .description(
      'list the chains of a data directory, their open epochs and the certificates they are wrapped to; never a key',
    )
    .argument('[data-dir]', 'data directory of a proxy (default: as configured)')
    .option('--config <file>', 'configuration file')
    .option('--json', 'one object a line')
    .action((dataDir: string | undefined, options) => showKeys(dataDir, options, terminal));
  const unwrap = group
    .command('unwrap')
    .description('open the secrets of all chains with an auditor key, for a verifier written by somebody else')
    .option('--key <file>', "the auditor's private key (default for a data directory: its development key)")
    .option('--passphrase-file <file>', 'its passphrase')
    .option('--json', 'one object, chain id to secret in base64url');
  addSourceOptions(unwrap).action((source: string | undefined, options) => unwrapKeys(source, options, terminal));
}
