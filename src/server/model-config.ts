import { defaultPriority } from '../engine/batch-policy.js';
import type { LoadedModel } from '../engine/engine.js';
import type { Datatype, TensorSpec } from '../engine/tensor.js';

const dataTypeName = (datatype: Datatype): string =>
  datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`;

/** A signature's entry; where rows are batched Triton leaves the batch dimension out. */
function describe({ name, datatype, shape = [] }: TensorSpec, batched: boolean): object {
  const dims = shape.map((dimension) => (typeof dimension === 'number' ? dimension : -1));
  return { name, data_type: dataTypeName(datatype), dims: batched ? dims.slice(1) : dims };
}

/** `ModelConfig` of a model as it is served. */
export function modelConfig(model: LoadedModel): object {
  const { batching, options } = model;
  const batched = batching.maxBatchSize > 1;
  const entry = (spec: TensorSpec): object => describe(spec, batched);
  return {
    name: model.name,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    max_batch_size: batched ? batching.maxBatchSize : 0,
    input: model.inputs.map(entry),
    output: model.outputs.map(entry),
    instance_group: [{ name: model.name, kind: 'KIND_CPU', count: model.instances }],
    ...(batched
      ? {
          dynamic_batching: {
            preferred_batch_size: options.preferredBatchSizes ?? [],
            max_queue_delay_microseconds: options.maxQueueDelayMicroseconds ?? 0,
            priority_levels: options.priorityLevels ?? 0,
            default_priority_level: defaultPriority(options),
            default_queue_policy: {
              default_timeout_microseconds: options.defaultTimeoutMicroseconds ?? 0,
              allow_timeout_override: true,
              max_queue_size: options.maxQueueSize ?? 0,
            },
          },
        }
      : {}),
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
