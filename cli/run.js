#!/usr/bin/env node
/**
 * What stands behind `npm start`, `npm test` and every `npm run` in a checkout, so that those are the only commands to
 * know: installs the locked packages if they are missing, picks a Node that runs TypeScript (this one, or the one among
 * the packages), and runs a script of the checkout or a tool of node_modules/.bin with it.
 *
 * Plain JavaScript for Node 20 and newer: it runs before anything is installed. It changes nothing but node_modules.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const rootDir = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const installMsMax = 10 * 60_000;
/** The first Node whose type stripping is stable. */
const nodeMin = [24, 12];

/** Every package of the lock that this platform needs is there in its locked version. */
function installed() {
  const present = packagesOf(join(rootDir, 'node_modules', '.package-lock.json'));
  const locked = packagesOf(join(rootDir, 'package-lock.json'));
  if (!locked) throw new Error('package-lock.json is missing: this is not a whole checkout');
  return (
    present !== undefined &&
    Object.entries(locked).every(
      ([path, entry]) => path === '' || entry.optional || present[path]?.version === entry.version,
    )
  );
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** One process installs, those that start meanwhile wait for it. */
async function install() {
  const lock = join(rootDir, '.cache', 'install.lock');
  mkdirSync(dirname(lock), { recursive: true });
  const until = Date.now() + installMsMax;
  while (!take(lock)) {
    if (Date.now() > until) throw new Error(`another installation holds ${lock} for more than ten minutes`);
    await new Promise((wake) => setTimeout(wake, 200));
  }
  try {
    if (installed()) return;
    console.error('Installing the locked packages (once) …');
    const npm = process.env.npm_execpath;
    const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
    const args = [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=error'];
    const result = spawnSync(command, args, { cwd: rootDir, stdio: ['ignore', 'ignore', 'inherit'] });
    if (result.error) throw new Error(`npm could not be started: ${result.error.message}`);
    if (result.status !== 0) throw new Error('the packages could not be installed: npm says why above');
  } finally {
    rmSync(lock, { force: true });
  }
}

/** True when this process now holds the lock. One that a dead process left behind is removed. */
function take(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    const owner = Number(readFileSync(lock, 'utf8'));
    if (owner > 0) process.kill(owner, 0);
  } catch (error) {
    if (error.code === 'ESRCH') rmSync(lock, { force: true });
  }
  return false;
}

function nodeCommand() {
  if (newEnough(process.versions.node)) return process.execPath;
  const packaged = join(rootDir, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(packaged)) return packaged;
  throw new Error(
    `Logseal needs Node ${nodeMin.join('.')} or newer, this is ${process.versions.node}, and the package "node" ` +
      'did not bring one for this platform: install a newer Node',
  );
}

function newEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1]);
}

/** Runs `target` in the foreground: its signals, its exit code and its terminal are ours. */
function run(node, target, args) {
  const script = join(rootDir, target);
  const bin = join(rootDir, 'node_modules', '.bin', target);
  const [command, commandArgs] = existsSync(script) ? [node, [script, ...args]] : [bin, args];
  const path = [dirname(node), join(rootDir, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const child = spawn(command, commandArgs, { stdio: 'inherit', env: { ...process.env, PATH: path } });
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR2']) {
    // Control-C reaches the whole foreground group by itself; sent twice it would mean "at once".
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.once('error', (error) => {
    console.error(`${command} could not be started: ${error.message}`);
    process.exitCode = 1;
  });
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}

try {
  const [target, ...args] = process.argv.slice(2);
  if (target === undefined) throw new Error('usage: node cli/run.js <script of the checkout, or tool> [arguments]');
  if (!installed()) await install();
  run(nodeCommand(), target, args);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
