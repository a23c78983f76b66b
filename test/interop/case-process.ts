/**
 * A process that executes cases one after another, by the way that its first argument names, and
 * reports each. ONNX Runtime may abort on a case; the parent then goes on with the next.
 */
import { createHash } from 'node:crypto';
import { InferenceSession } from 'onnxruntime-node';
import { storeFloat16InUint16 } from '../../src/engine/float16.js';
import { fromOrt, toOrt } from '../../src/engine/ort-tensor.js';
import type { Tensor } from '../../src/engine/tensor.js';
import { type InferAnswer, startLoopbackServer } from '../forge/inference-server.js';
import { matches, type NodeCase, NodeCases } from './node-case.js';

/** What became of a case. */
export interface CaseReport {
  readonly index: number;
  readonly passed: boolean;
  /** SHA-256 of the outputs, where there were any. */
  readonly digest: string | undefined;
  readonly reason: string | undefined;
}

storeFloat16InUint16();

type Route = (test: NodeCase, inputs: readonly Tensor[]) => Promise<readonly Tensor[]>;

const plain: Route = async ({ model }, inputs) => {
  const session = await InferenceSession.create(model, {
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    const feeds = Object.fromEntries(
      inputs.map(({ name, datatype, shape, data }) => {
        const own = new Uint8Array(data);
        return [name, toOrt(datatype, shape, own.buffer, 0, own.length)];
      }),
    );
    const fetched = await session.run(feeds);
    return session.outputNames.map((name) => {
      const value = fetched[name];
      if (value === undefined) throw new Error(`no output ${name}`);
      return { name, ...fromOrt(value) };
    });
  } finally {
    await session.release();
  }
};

async function assay(): Promise<Route> {
  const server = await startLoopbackServer({ models: {}, maxReceiveBytes: 64 * 1024 * 1024 });
  return async ({ name, model }, inputs) => {
    const loaded = await server.engine.load({ name, version: '1', model, externalData: [] });
    server.registry.add(loaded);
    try {
      const answer = await server.call<InferAnswer>('ModelInfer', {
        model_name: name,
        inputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
        raw_input_contents: inputs.map(({ data }) => Buffer.from(data)),
      });
      return answer.outputs.map(({ name, datatype, shape }, index) => ({
        name,
        datatype: datatype as Tensor['datatype'],
        shape: shape.map(Number),
        data: answer.raw_output_contents[index] ?? Buffer.alloc(0),
      }));
    } finally {
      server.registry.remove(loaded);
      await loaded.drain();
    }
  };
}

function digestOf(tensors: readonly Tensor[]): string {
  const hash = createHash('sha256');
  for (const { name, datatype, shape, data } of tensors) {
    hash.update(JSON.stringify([name, datatype, shape, data.length])).update(data);
  }
  return hash.digest('hex');
}

async function report(index: number, test: NodeCase, route: Route): Promise<CaseReport> {
  const { rtol, atol } = test;
  try {
    const inputs = test.inputs.map((input) => {
      if (input === undefined) throw new Error('an input is of a type that Node cannot feed');
      return input;
    });
    const outputs = await route(test, inputs);
    const passed =
      outputs.length === test.outputs.length &&
      outputs.every((output, i) => {
        const expected = test.outputs[i];
        return expected !== undefined && matches(output, expected, rtol, atol);
      });
    return { index, passed, digest: digestOf(outputs), reason: passed ? undefined : 'differs' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { index, passed: false, digest: undefined, reason };
  }
}

const [way = '', folder = '', start = '0'] = process.argv.slice(2);
const cases = new NodeCases(folder);
const route = way === 'assay' ? await assay() : plain;
for (let index = Number(start); index < cases.length; index++) {
  process.send?.({ index });
  process.send?.(await report(index, cases.read(index), route));
}
process.disconnect?.();
process.exit(0);
