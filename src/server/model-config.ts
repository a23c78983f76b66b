import { defaultPriority, mostRows } from '../engine/batch-policy.js';
import type { LoadedModel } from '../engine/engine.js';
import type { Datatype, TensorSpec } from '../engine/tensor.js';

const dataTypeName = (datatype: Datatype): string =>
  datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`;

/** A signature's entry; where there is a `max_batch_size` Triton leaves the dimension of rows out. */
function describe({ name, datatype, shape = [] }: TensorSpec, rows: boolean): object {
  const dims = shape.map((dimension) => (typeof dimension === 'number' ? dimension : -1));
  const leavesOut = rows && typeof shape[0] === 'string';
  return { name, data_type: dataTypeName(datatype), dims: leavesOut ? dims.slice(1) : dims };
}

/**
 * Triton's `max_batch_size`, which clients take for the most rows of a request: what is enforced, whether or not
 * requests share executions. Where nothing is, as the operator states no size: what shares one; 0 for no rows.
 */
function maxBatchSize({ batching, options, inputs }: LoadedModel): number {
  const enforced = mostRows(options, inputs);
  if (Number.isFinite(enforced)) return enforced;
  return batching.maxBatchSize > 1 ? batching.maxBatchSize : 0;
}

/**
 * Triton's ModelDynamicBatching: what is enforced, which of a queue without shared executions is all but sizes and
 * the delay. Undefined for a model without a queue, as a proxy's are.
 */
function dynamicBatching({ batching, options }: LoadedModel): object | undefined {
  if (options.maxQueueSize === undefined) return undefined;
  const shared = batching.maxBatchSize > 1;
  return {
    preferred_batch_size: shared ? (options.preferredBatchSizes ?? []) : [],
    max_queue_delay_microseconds: shared ? (options.maxQueueDelayMicroseconds ?? 0) : 0,
    priority_levels: options.priorityLevels ?? 0,
    default_priority_level: defaultPriority(options),
    default_queue_policy: {
      default_timeout_microseconds: options.defaultTimeoutMicroseconds ?? 0,
      allow_timeout_override: true,
      max_queue_size: options.maxQueueSize,
    },
  };
}

/** Which versions of a model are served: Triton's ModelVersionPolicy. */
export type VersionPolicy =
  | { readonly latest: { readonly num_versions: number } }
  | { readonly all: object }
  | { readonly specific: { readonly versions: readonly number[] } };

/** `ModelConfig` of a model as it is served. */
export function modelConfig(model: LoadedModel, versionPolicy?: VersionPolicy): object {
  const { batching } = model;
  const rows = maxBatchSize(model);
  const entry = (spec: TensorSpec): object => describe(spec, rows > 0);
  return {
    name: model.name,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    version_policy: versionPolicy,
    max_batch_size: rows,
    input: model.inputs.map(entry),
    output: model.outputs.map(entry),
    instance_group: [{ name: model.name, kind: 'KIND_CPU', count: model.instances }],
    dynamic_batching: dynamicBatching(model),
    parameters: {
      batch_invariance: { string_value: batching.invariance },
      batch_invariance_reason: { string_value: batching.reason },
      batch_sizes: {
        string_value: [...batching.sizes].map(([shape, rows]) => `n,${shape}: ${rows}`).join('; '),
      },
      memory_bytes: { string_value: String(model.memory) },
    },
  };
}
