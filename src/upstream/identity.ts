/** Who answers: the cluster's identity and version, as the boot record and the start-up check need them. */
import { LogsealError } from '../errors.ts';
import type { Asker, JsonObject } from './ask.ts';
import { askFor, objectAt, textAt } from './ask.ts';

export interface UpstreamIdentity {
  /** Stays with the cluster's data for ever. */
  clusterUuid: string;
  clusterName: string;
  version: string;
  /** `elasticsearch`, or what another product calls itself. */
  distribution: string;
  /** The whole answer to `GET /`. */
  root: JsonObject;
}

/** UPSTREAM_REFUSED while the cluster has no identity yet; other errors as for every question. */
export async function askIdentity(asker: Asker): Promise<UpstreamIdentity> {
  const root = await askFor(asker, 'GET', '/');
  const version = objectAt(root, 'version');
  const clusterUuid = textAt(root, 'cluster_uuid');
  if (clusterUuid === undefined || clusterUuid === '_na_') {
    throw new LogsealError(
      'UPSTREAM_REFUSED',
      'the search engine does not know its cluster_uuid yet: it has no master',
    );
  }
  return {
    clusterUuid,
    clusterName: textAt(root, 'cluster_name') ?? '',
    version: textAt(version, 'number') ?? '',
    distribution: textAt(version, 'distribution') ?? 'elasticsearch',
    root,
  };
}
