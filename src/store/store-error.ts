/** Errors as the store answers them, in Elasticsearch's shape: whole requests and single items. */

export class StoreError extends Error {
  readonly status: number;
  readonly type: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: number, type: string, reason: string, details: Readonly<Record<string, unknown>> = {}) {
    super(reason);
    this.status = status;
    this.type = type;
    this.details = details;
  }

  /** The value of `error` of one bulk item. */
  itemError(): Record<string, unknown> {
    return { type: this.type, reason: this.message, ...this.details };
  }

  body(): Record<string, unknown> {
    return { error: { root_cause: [this.itemError()], ...this.itemError() }, status: this.status };
  }
}

export function indexNotFound(name: string): StoreError {
  return new StoreError(404, 'index_not_found_exception', `no such index [${name}]`, {
    'resource.type': 'index_or_alias',
    'resource.id': name,
    index_uuid: '_na_',
    index: name,
  });
}

/** What the embedded store has not: a first try needs none of it, a cluster has all of it. */
export function notImplemented(what: string): StoreError {
  return new StoreError(
    501,
    'not_implemented',
    `the embedded store has no ${what}: set elasticsearch.url to a cluster`,
  );
}

export function illegalArgument(reason: string): StoreError {
  return new StoreError(400, 'illegal_argument_exception', reason);
}

/** As Elasticsearch checks names of indices. */
export function checkIndexName(name: string): void {
  const fault =
    name === '' || name === '.' || name === '..'
      ? "must not be empty, '.' or '..'"
      : name !== name.toLowerCase()
        ? 'must be lowercase'
        : /^[-_+]/.test(name)
          ? "must not start with '_', '-', or '+'"
          : /[\\/*?"<>| ,#:]/.test(name)
            ? "must not contain the following characters ['\\\\','/','*','?','\"','<','>','|',' ',',','#',':']"
            : Buffer.byteLength(name) > 255
              ? 'index name is too long'
              : undefined;
  if (fault === undefined) return;
  throw new StoreError(400, 'invalid_index_name_exception', `Invalid index name [${name}], ${fault}`, {
    index_uuid: '_na_',
    index: name,
  });
}
