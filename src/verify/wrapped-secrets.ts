/**
 * A second look for wrapped secrets, where trust could not be grown with what the readable creation records hold.
 *
 * One changed byte in a creation record must not take the key of its whole chain away: a secret needs no verified record around it, because
 * the chain's id is derived from it. So every control document that still carries one is searched, whatever else was done to it.
 * Never gives a secret to a chain whose id it does not make. Overwrites all others before it returns.
 */
import { chainIdOf } from '../chain/key-tree.ts';
import { suites } from '../chain/suite.ts';
import { ChainBook } from './chain-book.ts';
import type { StoredText } from './system-documents.ts';
import type { Growth, Instance, Unwrap } from './trust.ts';
import { growTrust } from './trust.ts';

/** DER of a CMS message around an RSA ciphertext of 384 bytes or more, in base64; within `raw` a slash may be escaped. */
const wrappedText = /MI[IM][A-Za-z0-9+/\\]{500,}={0,2}/g;

/** Grows trust, and grows it again if a damaged document holds a secret that the first growth went without. */
export function growWithSecrets(growth: Omit<Growth, 'book'>, documents: () => Iterable<StoredText>): ChainBook {
  const { instances, unwrap } = growth;
  const controls = instances.map((instance) => [...instance.controls]);
  const first = new ChainBook();
  growTrust({ ...growth, book: first });
  const closed = first.trusted().filter(({ key }) => key === 'none' || key === 'bad');
  if (unwrap === undefined || closed.length === 0) return first;
  const secrets = openAll(documents(), unwrap);
  try {
    if (!closed.some(({ id }) => secretOf(secrets, id) !== undefined)) return first;
    first.wipe();
    // The first growth may have taken records of a chain without key at their word.
    forget(instances, controls);
    const book = new ChainBook();
    const found: Unwrap = (id, wrapped) => {
      const secret = secretOf(secrets, id);
      return secret === undefined ? unwrap(id, wrapped) : Buffer.from(secret);
    };
    growTrust({ ...growth, book, unwrap: found });
    return book;
  } finally {
    for (const secret of secrets) secret.fill(0);
  }
}

/** Everything that unwraps, of whatever chain. */
function openAll(documents: Iterable<StoredText>, unwrap: Unwrap): Buffer[] {
  const tried = new Set<string>();
  const secrets: Buffer[] = [];
  for (const { text } of documents) {
    for (const [match] of text.toString('latin1').matchAll(wrappedText)) {
      const base64 = match.replaceAll('\\', '');
      if (tried.has(base64)) continue;
      tried.add(base64);
      const secret = unwrap('', Buffer.from(base64, 'base64'));
      if (secret !== undefined) secrets.push(secret);
    }
  }
  return secrets;
}

function secretOf(secrets: readonly Buffer[], id: string): Buffer | undefined {
  return secrets.find(
    (secret) => secret.length === 32 && suites.some((suite) => chainIdOf(suite, secret).toString('base64url') === id),
  );
}

function forget(instances: readonly Instance[], controls: readonly (readonly string[])[]): void {
  for (const [at, { controls: now }] of instances.entries()) {
    now.clear();
    for (const id of controls[at] ?? []) now.add(id);
  }
}
