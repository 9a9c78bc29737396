/**
 * The operations of one request that are to be signed, in request order, as offsets into the request's body.
 * No object a record: one Int32Array, and tables of the distinct destinations and metadata.
 * Must never copy or change the shipper's bytes.
 */

/** Numbers of one record in `Batch.descriptors`. */
export const descriptorWidth = 6;
export const descriptor = { contentStart: 0, contentEnd: 1, dest: 2, id: 3, meta: 4, flags: 5 } as const;

/** What the scanner saw in the content, for the decision about `raw` when the record is delivered. */
export const scanFlag = { lineFeed: 1, longNumberArray: 2, emptyObject: 4 } as const;

export interface Batch {
  body: Buffer;
  count: number;
  /** `descriptorWidth` a record: contentStart, contentEnd, index into dests, into ids | -1, into metas | -1, scanFlag bits. */
  descriptors: Int32Array;
  dests: string[];
  /** Ids that the shipper gave. */
  ids: string[];
  /** JSON objects: the carried metadata (routing, pipeline, require_alias, require_data_stream, dynamic_templates …). */
  metas: string[];
}
