#!/usr/bin/env node
/** Entry of the command line. Nothing else in this folder acts when it is imported. */
import { processEnvironment } from '../src/config/environment.ts';
import { runCommandLine } from './command-line.ts';
import { commands } from './commands.ts';
import { exitCodes } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

const terminal: Terminal = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: processEnvironment(),
  exitCode: exitCodes.ok,
};
await runCommandLine(process.argv.slice(2), terminal, commands);
process.exitCode = terminal.exitCode;
