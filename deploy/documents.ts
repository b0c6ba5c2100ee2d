/** What is made for docs/: of the data, the mapping, what each SIEM makes of a rule, and a simulated day. */
import { RULES } from '../sinks/content/detections/index.ts';
import { documentFiles } from '../sinks/content/documents.ts';
import { detectionRules } from '../sinks/elasticsearch/kibana/rules.ts';
import { savedSearches } from '../sinks/splunk_hec/app/saved.ts';
import { STREAM_MAPPINGS } from '../src/normalize/mapping.ts';
import { pictureFiles } from './pictures.ts';

/** By path from the project's root. */
export function generatedDocuments(): ReadonlyMap<string, string> {
  const searches = JSON.stringify(savedSearches());
  const documents = documentFiles(STREAM_MAPPINGS, {
    kibana: new Map(detectionRules().map(({ rule_id, type }) => [rule_id, type])),
    splunk: new Set(RULES.map(({ rule }) => rule.uuid).filter((uuid) => searches.includes(uuid))),
  });
  return new Map([...documents, ...pictureFiles()]);
}
