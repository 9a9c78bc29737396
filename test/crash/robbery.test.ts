/**
 * At twenty random moments a thief copies the whole data directory and a heap snapshot of the running proxy. Whatever 32 bytes
 * he takes from them for a key or a node of a key tree: none of them leads to an epoch that was closed before.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { decodeControl } from '../../src/chain/control-record.ts';
import { childOf, macKeyOf, treeDepth } from '../../src/chain/key-tree.ts';
import type { Suite } from '../../src/chain/suite.ts';
import { suiteOf } from '../../src/chain/suite.ts';
import { openAuditorKey } from '../../src/keys/auditor.ts';
import { keyFilePath, readKeyFile } from '../../src/keys/key-file.ts';
import { unwrapSecret } from '../../src/keys/wrap.ts';
import { StoreReader } from '../../src/store/reader.ts';
import { Ledger } from '../faults/ledger.ts';
import { startProxy } from '../helpers/proxy.ts';
import { SecretFinder } from '../helpers/secret-finder.ts';

const moments = 20;

t.test('who robs the proxy of disk and memory cannot forge what was closed before', async (t) => {
  const root = t.testdir({ snapshots: {} });
  const dataDir = join(root, 'data');
  const snapshots = join(root, 'snapshots');
  const proxy = await startProxy({
    dataDir,
    nodeFlags: ['--heapsnapshot-signal=SIGUSR2', `--diagnostic-dir=${snapshots}`],
    environment: { LOGSEAL_EPOCH_RECORDS_MAX: '40' },
  });
  const perBulk = 50;
  const ledger = new Ledger({ dest: 'logs-rob', perBulk, connections: 2, pauseMs: 0 });
  ledger.start(proxy.url);
  const loot: { dir: string; snapshot: string }[] = [];
  for (let moment = 0; moment < moments; moment += 1) {
    await ledger.grows(perBulk * (1 + Math.floor(Math.random() * 8)));
    const dir = join(root, `copy-${moment}`);
    copyDirectory(dataDir, dir);
    loot.push({ dir, snapshot: await heapSnapshot(snapshots, proxy.pid) });
  }
  await ledger.stop();
  t.equal(await proxy.stop(60_000), 0);

  const secrets = chainSecrets(dataDir);
  t.ok(secrets.length >= 2, 'the auditor opens the control chain and the data chain');
  let closed = 0;
  for (const { dir, snapshot } of loot) {
    const forbidden = new Map<string, Buffer>();
    const current = new Map<string, Buffer>();
    for (const { chain, suite, secret } of secrets) {
      const keys = await readKeyFile(keyFilePath(join(dir, 'keys'), chain)).catch(() => undefined);
      if (keys === undefined) continue;
      closed += keys.epoch;
      addPast(forbidden, suite, secret, keys.epoch);
      current.set('the open epoch', keys.macKey());
    }
    const finder = new SecretFinder(forbidden);
    const found = filesOf(dir).flatMap((file) => finder.find(readFileSync(file)).map((name) => `${file}: ${name}`));
    t.strictSame(found, [], 'nothing on disk leads back');
    t.strictSame(finder.find(readFileSync(snapshot)), [], 'nothing in the heap leads back');
    t.strictSame(
      stringsOf(snapshot).flatMap((text) => finder.find(text)),
      [],
      'nor in its strings',
    );
    const control = new SecretFinder(current);
    t.ok(
      filesOf(dir).some((file) => control.find(readFileSync(file)).length > 0),
      'control: the open key is found',
    );
  }
  t.ok(closed > moments * 10, `${closed} closed epochs were looked for`);
});

interface ChainSecret {
  chain: Buffer;
  suite: Suite;
  secret: Buffer;
}

function chainSecrets(dataDir: string): ChainSecret[] {
  const keyPath = join(dataDir, 'development-auditor', 'auditor.key.pem');
  const auditor = openAuditorKey(readFileSync(keyPath), undefined, keyPath);
  const secrets: ChainSecret[] = [];
  for (const batch of StoreReader.open(join(dataDir, 'store', 'logseal.sqlite')).documents('logseal-control')) {
    for (const { source } of batch) {
      const { logseal: _, ...content } = JSON.parse(source.toString());
      const control = decodeControl(Buffer.from(JSON.stringify(content)));
      if (!control.ok || control.record.kind !== 'chain') continue;
      const { id, suite, wrapped } = control.record.body;
      const secret = unwrapSecret(Buffer.from(wrapped, 'base64'), auditor);
      secrets.push({ chain: Buffer.from(id, 'base64url'), suite: suiteOf(suite) as Suite, secret });
    }
  }
  return secrets;
}

/** Every node of the tree that has an epoch before `epoch` below it, and the keys of those epochs. */
function addPast(into: Map<string, Buffer>, suite: Suite, secret: Buffer, epoch: number): void {
  const descend = (node: Buffer, depth: number, prefix: number): void => {
    if (prefix * 2 ** (treeDepth - depth) >= epoch) return;
    into.set(`node ${depth}/${prefix}`, node);
    if (depth === treeDepth) into.set(`key of epoch ${prefix}`, macKeyOf(suite, node));
    else {
      descend(childOf(suite, node, 0), depth + 1, prefix * 2);
      descend(childOf(suite, node, 1), depth + 1, prefix * 2 + 1);
    }
  };
  descend(secret, 0, 0);
}

async function heapSnapshot(directory: string, pid: number): Promise<string> {
  const before = new Set(readdirSync(directory));
  process.kill(pid, 'SIGUSR2');
  for (;;) {
    const name = readdirSync(directory).find((one) => !before.has(one) && one.endsWith('.heapsnapshot'));
    // Whole once its last characters are there.
    if (name !== undefined && readFileSync(join(directory, name)).subarray(-3).includes('}'))
      return join(directory, name);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Strings of the heap as their bytes: in the file they are escaped, and a key in a string would not look like one. */
function stringsOf(snapshot: string): Buffer[] {
  const { strings } = JSON.parse(readFileSync(snapshot, 'utf8')) as { strings: string[] };
  return strings.filter((text) => text.length >= 32).map((text) => Buffer.from(text, 'latin1'));
}

/** A running log makes and deletes files while it is copied. */
function copyDirectory(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    if (entry.isDirectory()) copyDirectory(source, join(to, entry.name));
    else if (entry.isFile() && entry.name !== 'reserve') {
      try {
        cpSync(source, join(to, entry.name));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  }
}

function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile() && !path.includes('development-auditor'));
}
