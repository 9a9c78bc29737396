/** Reads the command line of the proxy itself: `--config F` and one flag for each setting, `--wal-keep 1h` or `--wal-keep=1h`. */
import { LogsealError } from '../errors.ts';
import { keyOfFlag, nearest } from './names.ts';
import { settings } from './settings.ts';

export interface Flags {
  readonly file: string | undefined;
  readonly flags: Readonly<Record<string, string>>;
  readonly help: boolean;
  readonly version: boolean;
}

/** Errors: USAGE, one sentence. A setting of type flag may stand without value: `--new-upstream`. */
export function readFlags(argv: readonly string[]): Flags {
  const flags: Record<string, string> = {};
  let file: string | undefined;
  let help = false;
  let version = false;
  for (let at = 0; at < argv.length; at += 1) {
    const argument = argv[at] ?? '';
    const [, name, inline] = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(argument) ?? [];
    if (name === undefined)
      throw new LogsealError('USAGE', `unexpected argument ${argument}: settings are given as --name value`);
    if (name === 'help' || name === 'version') {
      help ||= name === 'help';
      version ||= name === 'version';
      continue;
    }
    const key = keyOfFlag.get(name);
    if (key === undefined && name !== 'config') throw unknownFlag(name);
    let value = inline;
    if (value === undefined) {
      const next = argv[at + 1];
      const bare = key !== undefined && settings[key].type === 'flag' && next !== 'true' && next !== 'false';
      if (bare) value = 'true';
      else if (next === undefined) throw new LogsealError('USAGE', `--${name} needs a value`);
      else [value, at] = [next, at + 1];
    }
    if (name === 'config') file = value;
    else flags[name] = value;
  }
  return { file, flags, help, version };
}

function unknownFlag(name: string): LogsealError {
  const meant = nearest(name, [...keyOfFlag.keys(), 'config', 'help', 'version']);
  return new LogsealError('USAGE', `unknown flag --${name}${meant === undefined ? '' : `; did you mean --${meant}?`}`);
}
