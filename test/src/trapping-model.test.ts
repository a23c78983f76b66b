import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { parseConfig } from '../../src/config.js';
import { makeLog } from '../../src/log.js';
import { type Serving, serve } from '../../src/main.js';
import { Caller } from '../bench/support/rpc.js';
import { scaleModel, simulatorKeys } from '../forge/enclave.js';
import { dataType, encodeModel } from '../forge/onnx.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-trap-'));
after(() => rm(folder, { recursive: true }));

/** Divides `p` by `q`, and computes the remainder. */
function divisionModel(type: number): Uint8Array {
  const vector = { tensor: type, shape: ['n'] };
  return encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: ['p', 'q'].map((name) => ({ name, type: vector })),
      nodes: ['Div', 'Mod'].map((op) => ({ op, inputs: ['p', 'q'], outputs: [op] })),
      outputs: ['Div', 'Mod'].map((name) => ({ name, type: vector })),
    },
  });
}

const dividing = join(folder, 'dividing.onnx');
await writeFile(dividing, divisionModel(dataType.int64));

function start(allowTrappingDivision?: boolean): Promise<Serving> {
  const config = {
    listen: { port: 0 },
    plaintext: { port: 0 },
    platform: { kind: 'simulator', rootDirectory: simulatorKeys },
    models: [
      {
        name: 'ratio',
        path: 'ratio.onnx',
        batching: { maxBatchSize: 1 },
        ...(allowTrappingDivision === undefined ? {} : { allowTrappingDivision }),
      },
    ],
    modelControl: 'explicit',
    development: true,
    workers: 1,
  };
  return serve(parseConfig(config, {}, folder), {
    log: makeLog('silent'),
    surroundings: { env: {}, execArgv: [], inspector: undefined },
    now: () => new Date(),
    onFatal: (error) => {
      throw error;
    },
  });
}

async function startCaller(t: TestContext, allowTrappingDivision?: boolean): Promise<Caller> {
  const serving = await start(allowTrappingDivision);
  const caller = new Caller(`127.0.0.1:${serving.plaintextPort}`);
  t.after(async () => {
    caller.close();
    await serving.close();
  });
  return caller;
}

const place = (model: Uint8Array): Promise<void> => writeFile(join(folder, 'ratio.onnx'), model);

test('a model with which callers can end the process is not served', async () => {
  await place(divisionModel(dataType.int64));
  await assert.rejects(start(), {
    code: 'MODEL_DIVISION',
    message: /^model ratio: .*Div "Div" and 1 more may do it; .*allowTrappingDivision$/,
  });
});

test('at run time it is refused, and the model before it is served still', async (t) => {
  await place(scaleModel(2));
  const caller = await startCaller(t);
  await place(divisionModel(dataType.int32));
  await assert.rejects(caller.call('RepositoryModelLoad', { model_name: 'ratio' }), {
    code: status.FAILED_PRECONDITION,
    details: /^MODEL_DIVISION: /,
  });
  assert.deepEqual(await caller.call('ModelReady', { name: 'ratio' }), { ready: true });
});

test('it is served where the configuration says so, and answers other divisions', async (t) => {
  await place(divisionModel(dataType.int64));
  const caller = await startCaller(t, true);
  const tensor = (name: string, value: number): object => ({
    name,
    datatype: 'INT64',
    shape: [1],
    contents: { int64_contents: [value] },
  });
  const infer = (divisor: number): Promise<{ raw_output_contents: readonly Buffer[] }> =>
    caller.call('ModelInfer', {
      model_name: 'ratio',
      inputs: [tensor('p', -7), tensor('q', divisor)],
    });
  const { raw_output_contents: outputs } = await infer(2);
  assert.deepEqual(
    outputs.map((bytes) => bytes.readBigInt64LE()),
    [-3n, 1n],
  );
  await assert.rejects(infer(0), { code: status.INTERNAL });
  assert.equal((await infer(7)).raw_output_contents[0]?.readBigInt64LE(), -1n);
});

/** How a process ends that divides the least integer by a divisor. */
async function endOf(path: string, divisor: number): Promise<number | NodeJS.Signals | null> {
  const code = `
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    const session = await InferenceSession.create(process.argv[1], { logSeverityLevel: 4 });
    const tensor = (value) => new Tensor('int64', BigInt64Array.of(value), [1]);
    await session.run({ p: tensor(-(2n ** 63n)), q: tensor(BigInt(process.argv[2])) });
  `;
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', code, path, String(divisor)],
    { stdio: 'ignore' },
  );
  const [exit, signal] = await once(child, 'exit');
  return signal ?? exit;
}

test('ONNX Runtime has not learned it: without the refusal the process ends', {
  skip: process.arch === 'x64' ? false : 'only x86 processors trap',
}, async () => {
  assert.equal(await endOf(dividing, 1), 0);
  assert.equal(await endOf(dividing, 0), 1, 'a rejected promise');
  assert.equal(await endOf(dividing, -1), 'SIGFPE');
});
