import assert from 'node:assert/strict';
import { AssayError } from '../../attestation/encoding/error.js';
import { identifyModel } from '../../attestation/model/identity.js';
import type { GraphInit, NodeInit, TypeInit } from './onnx-init.js';

/** The smallest model, y = Relu(x), and its parts. */
export const type: TypeInit = { tensor: 1, shape: [2] };
export const relu = (input: string, output: string): NodeInit => ({
  op: 'Relu',
  inputs: [input],
  outputs: [output],
});

export const plain: GraphInit = {
  inputs: [{ name: 'x', type }],
  nodes: [relu('x', 'y')],
  outputs: [{ name: 'y', type }],
};

/** Identifying this model fails with this code, and the message does not quote it at length. */
export function refuse(model: Uint8Array, code: string): void {
  assert.throws(
    () => identifyModel({ path: 'm', bytes: model }),
    (error) => {
      assert.ok(error instanceof AssayError, String(error));
      assert.equal(error.code, code, error.message);
      assert.ok(error.message.length < 600, 'a message does not quote the input at length');
      return true;
    },
  );
}
