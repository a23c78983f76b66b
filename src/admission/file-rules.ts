import { neededConstants } from '../../attestation/model/called-functions.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import { isSparse, nameOf } from '../../attestation/model/tensor.js';
import { type AdmissionFinding, finding } from './finding.js';
import { RUNTIME_VERSION } from './runtime-operators.js';

const GIB = 2 ** 30;
/** Protocol Buffers refuse messages of 2 GiB; so does every runtime that reads models with them. */
const MAX_MODEL_FILE = 2 ** 31 - 1;
/** Bytes of one initializer that ONNX Runtime takes from memory, rather than from a file. */
const MAX_TENSOR = 2 ** 31;

/**
 * Constants that the runtime does not take from memory, where an enclave has read them to. It is given no
 * others than what is executed needs.
 */
function oversized(analysis: ModelAnalysis): string[] {
  return neededConstants(analysis).flatMap((constant) => {
    const { type, dims } = isSparse(constant) ? constant.values : constant;
    const bytes = (dims.reduce((count, dim) => count * dim, 1) * type.bits) / 8;
    return bytes > MAX_TENSOR ? [`${type.name} "${nameOf(constant)}" of ${bytes} bytes`] : [];
  });
}

/** Whether every node can hold the model's files, and the runtime take them. */
export function fileRules(analysis: ModelAnalysis): AdmissionFinding[] {
  const { identity } = analysis;
  const [model, ...external] = identity.files;
  const total = identity.files.reduce((sum, { size }) => sum + size, 0);
  const findings: AdmissionFinding[] = [];
  if (model !== undefined && model.size > MAX_MODEL_FILE) {
    const message = `${model.size} bytes: a model file must be smaller than 2 GiB; move weights to external data`;
    findings.push(finding('static.size', 'refuse', message));
  } else if (total > GIB) {
    const message = `${(total / GIB).toFixed(1)} GiB: a session takes two to three times that for each worker`;
    findings.push(finding('static.size', 'warn', message));
  } else {
    findings.push(
      finding('static.size', 'pass', `${total} bytes in ${identity.files.length} files`),
    );
  }
  const large = oversized(analysis);
  if (large.length > 0) {
    const limit = `ONNX Runtime ${RUNTIME_VERSION} takes tensors of at most 2 GiB from memory: split these`;
    findings.push(finding('static.tensor-size', 'refuse', limit, large));
  }
  const message =
    external.length === 0
      ? 'no external data'
      : `external data in ${external.length} files, all there and within bounds`;
  return [...findings, finding('static.external-data', 'pass', message)];
}
