/** Child of the lock test: locks the directory in argv[2], says so, and stays. */
import { DirectoryLock } from '../../src/wal/lock.ts';

const lock = await DirectoryLock.acquire(process.argv[2] as string);
process.stdout.write('locked\n');
process.stdin.on('end', () => lock.release()).resume();
