/** Owns which metadata of an operation travels with the record to the search engine, as JSON in a fixed order. */
import type { Operation } from './operation.ts';

/** Undefined when there is none. Version, if_seq_no and if_primary_term are not carried: every record is sent as `create`. */
export function carriedMetadata(operation: Operation): string | undefined {
  const { routing, pipeline, dynamicTemplates, dynamicTemplateParams } = operation;
  const members: string[] = [];
  if (routing !== undefined) members.push(`"routing":${JSON.stringify(routing)}`);
  if (pipeline !== undefined) members.push(`"pipeline":${JSON.stringify(pipeline)}`);
  if (operation.requireAlias) members.push('"require_alias":true');
  if (operation.requireDataStream) members.push('"require_data_stream":true');
  if (dynamicTemplates !== undefined && dynamicTemplates !== '{}')
    members.push(`"dynamic_templates":${dynamicTemplates}`);
  if (dynamicTemplateParams !== undefined) members.push(`"dynamic_template_params":${dynamicTemplateParams}`);
  if (operation.listExecutedPipelines) members.push('"list_executed_pipelines":true');
  return members.length === 0 ? undefined : `{${members.join(',')}}`;
}
