import type { Enclave } from '../../enclave/enclave.js';
import type { Engine } from '../engine/engine.js';
import type { OwnMetric } from './metrics.js';

/** What of an enclave is counted. */
export interface Counted {
  readonly issuer: Pick<Enclave['issuer'], 'counts' | 'published'>;
  readonly evidenceCounts: Enclave['evidenceCounts'];
}

/** Of a log that is published nowhere there is nothing to watch. */
function publishedMetrics({ issuer }: Counted): readonly OwnMetric[] {
  if (issuer.published === undefined) return [];
  return [
    [
      'gauge',
      'assay_log_unpublished_entries',
      'Entries of the log that the newest published head does not cover: about 256 at most unless its disk fails',
      () => issuer.counts.entries - (issuer.published?.size ?? 0),
    ],
    [
      'gauge',
      'assay_log_published_timestamp_seconds',
      'When the newest head was published, Unix time of the service, 0 before the first; an idle log has an old one',
      () => (issuer.published?.at?.getTime() ?? 0) / 1000,
    ],
  ];
}

/**
 * What an operator watches of the attestation, the log's growth and how reports are shared, and of
 * the engine, whether another model and more requests would fit.
 */
export function ownMetrics(
  enclave: Counted,
  engine: Pick<Engine, 'memory' | 'requestMemory'>,
): readonly OwnMetric[] {
  const { issuer } = enclave;
  return [
    [
      'gauge',
      'assay_memory_budget_bytes',
      'What the models and their sessions may take together',
      () => engine.memory.budget,
    ],
    [
      'gauge',
      'assay_memory_reserved_bytes',
      'What the models and their sessions take',
      () => engine.memory.reserved,
    ],
    [
      'gauge',
      'assay_request_memory_limit_bytes',
      'What accepted requests may take together until they are answered',
      () => engine.requestMemory.limit,
    ],
    [
      'gauge',
      'assay_request_memory_bytes',
      'What requests take that are not answered yet',
      () => engine.requestMemory.held,
    ],
    [
      'counter',
      'assay_log_entries_total',
      "Entries of the epoch's log, those of manifests included",
      () => issuer.counts.entries,
    ],
    ['counter', 'assay_log_heads_total', 'Tree heads signed', () => issuer.counts.heads],
    ...publishedMetrics(enclave),
    [
      'counter',
      'assay_evidence_reports_total',
      'Hardware reports made',
      () => enclave.evidenceCounts.reports,
    ],
    [
      'counter',
      'assay_evidence_answers_total',
      'Nonces answered by hardware reports',
      () => enclave.evidenceCounts.answers,
    ],
  ];
}
