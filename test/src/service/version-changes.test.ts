import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, constants } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, type TestContext, test } from 'node:test';
import { type ServiceError, status } from '@grpc/grpc-js';
import { AssayError } from '../../../attestation/encoding/error.js';
import type { AnnotatorSettings, Engine } from '../../../src/engine/engine.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import type { Serving } from '../../../src/main.js';
import { Caller } from '../../bench/support/rpc.js';
import { scaleModel } from '../../forge/enclave.js';
import { framed, send } from '../../forge/raw-grpc.js';
import { serveIn, serveOptions } from '../../forge/serving.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-versions-'));
after(() => rm(folder, { recursive: true }));

/** Places a version that multiplies by its own number. */
async function place(version: number): Promise<void> {
  await mkdir(join(folder, 'scale', String(version)), { recursive: true });
  await writeFile(join(folder, 'scale', String(version), 'model.onnx'), scaleModel(version));
}

async function placeBroken(version: number): Promise<void> {
  await place(version);
  await writeFile(join(folder, 'scale', String(version), 'model.onnx'), 'no model');
}

const remove = (version: number): Promise<void> =>
  rm(join(folder, 'scale', String(version)), { recursive: true });

interface Started {
  readonly serving: Serving;
  readonly caller: Caller;
  readonly engine: Engine | undefined;
  /** What workers are told of a load, by its number; undefined: they make no receipts for it. */
  readonly contextOf: (loadId: number) => Uint8Array | undefined;
}

async function start(versionPolicy: object, ...others: readonly object[]): Promise<Started> {
  const config = {
    plaintext: { port: 0 },
    models: [
      { name: 'scale', path: 'scale', versionPolicy, batching: { maxBatchSize: 1 } },
      ...others,
    ],
    modelControl: 'explicit',
    development: true,
  };
  let engine: Engine | undefined;
  let annotator: AnnotatorSettings | undefined;
  const makeEngine: typeof createEngine = async (settings) => {
    annotator = settings?.annotator;
    engine = await createEngine({ ...settings, memoryInUse: () => 0 });
    return engine;
  };
  const serving = await serveIn(folder, config, { makeEngine });
  return {
    serving,
    caller: new Caller(`127.0.0.1:${serving.plaintextPort}`),
    engine,
    contextOf: (loadId) => annotator?.context(loadId),
  };
}

describe('a folder of versions that changes while the service runs', () => {
  let serving: Serving;
  let caller: Caller;
  let engine: Engine | undefined;
  /** Bytes that all loaded models take; what sessions add to them is not measured here. */
  const held = (): number => engine?.memory.reserved ?? Number.NaN;
  beforeEach(async () => {
    await rm(join(folder, 'scale'), { recursive: true, force: true });
    await Promise.all([1, 2].map(place));
  });
  afterEach(async () => {
    caller.close();
    await serving.close();
  });

  const load = (): Promise<unknown> => caller.call('RepositoryModelLoad', { model_name: 'scale' });
  const unload = (): Promise<unknown> =>
    caller.call('RepositoryModelUnload', { model_name: 'scale' });
  const versions = async (): Promise<readonly string[]> => {
    const metadata = await caller.call<{ versions: readonly string[] }>('ModelMetadata', {
      name: 'scale',
    });
    assert.deepEqual(
      serving.enclave.manifest.models.map(({ version }) => version),
      metadata.versions,
      'the manifest has what is served',
    );
    return metadata.versions;
  };
  const indexed = async () => {
    const { models } = await caller.call<{
      models: readonly { version: string; state: string; reason: string }[];
    }>('RepositoryIndex', {});
    return models;
  };
  const index = async (): Promise<readonly string[]> =>
    (await indexed()).map(({ version, state }) => `${version} ${state}`);
  const reasons = async (): Promise<readonly string[]> =>
    (await indexed()).map(({ version, reason }) => `${version}: ${reason}`);
  /** What the newest version makes of 1. */
  const answer = async (): Promise<number> => {
    const { raw_output_contents: outputs } = await caller.call<{
      raw_output_contents: readonly Buffer[];
    }>('ModelInfer', {
      model_name: 'scale',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1], contents: { fp32_contents: [1] } }],
    });
    return outputs[0]?.readFloatLE() ?? Number.NaN;
  };

  test('a new version is served once the model is loaded, and the one that it displaces is not', async () => {
    ({ serving, caller } = await start({ latest: 2 }));
    await place(3);
    assert.deepEqual(await versions(), ['1', '2'], 'nothing happens unasked');
    await load();
    assert.deepEqual(await versions(), ['2', '3']);
    assert.deepEqual(await index(), ['2 READY', '3 READY']);
    assert.equal(await answer(), 3);
  });

  test('a version that was taken away is served until the model is loaded', async () => {
    ({ serving, caller } = await start({ all: true }));
    await remove(2);
    assert.equal(await answer(), 2);
    await load();
    assert.deepEqual(await versions(), ['1']);
    assert.equal(await answer(), 1);
  });

  test('a policy that cannot be met refuses the load, and what is served stays', async () => {
    ({ serving, caller } = await start({ specific: [1, 2] }));
    await remove(1);
    await assert.rejects(load(), { code: status.NOT_FOUND });
    assert.deepEqual(await versions(), ['1', '2']);
    await rm(join(folder, 'scale'), { recursive: true });
    await assert.rejects(load(), { code: status.NOT_FOUND });
    assert.deepEqual(await index(), ['1 READY', '2 READY']);
  });

  test('a new version that does not load leaves the others, and says that it is not served', async () => {
    ({ serving, caller } = await start({ latest: 1 }));
    await placeBroken(3);
    await assert.rejects(load(), { code: status.FAILED_PRECONDITION });
    assert.deepEqual(await versions(), ['2']);
    assert.deepEqual((await index()).toSorted(), ['2 READY', '3 UNAVAILABLE']);
    await place(3);
    await load();
    assert.deepEqual(await index(), ['3 READY']);
  });

  test('why a load failed is told to its caller, the log and the index, with the version', async (t) => {
    ({ serving, caller } = await start({ latest: 1 }));
    const warned = t.mock.method(serveOptions.log, 'warn').mock;
    await placeBroken(3);
    const details = await load().then(
      () => assert.fail('it was loaded'),
      (error: ServiceError) => error.details,
    );
    assert.match(details, /^MODEL_FIELD_UNKNOWN: model scale 3: /);
    assert.doesNotMatch(details, new RegExp(folder));
    const [code, message] = [details.split(': ', 1)[0], details.slice(details.indexOf(': ') + 2)];
    assert.deepEqual(
      warned.calls.map((call) => call.arguments),
      [[{ model: 'scale', code, message }, 'a model could not be loaded at run time']],
    );
    assert.deepEqual((await reasons()).toSorted(), ['2: ', `3: ${details}`]);
    await remove(3);
    await load();
    assert.deepEqual(serving.models.list(), [
      { name: 'scale', version: '2', served: true, failure: undefined },
    ]);
    await unload();
    assert.deepEqual(await reasons(), ['2: unloaded']);
    await remove(1);
    await remove(2);
    const none = 'CONFIG_MODEL: scale: expected a folder <version>/model.onnx';
    await assert.rejects(load(), { details: none });
    assert.deepEqual(await reasons(), [`2: ${none}`]);
    assert.equal(warned.callCount(), 2);
    await assert.rejects(caller.call('RepositoryModelLoad', { model_name: 'unknown' }));
    assert.equal(warned.callCount(), 2, 'what a caller makes up is not logged');
  });

  for (const [policy, stated] of [
    [{ latest: 2 }, { policy_choice: 'latest', latest: { num_versions: 2 } }],
    [{ all: true }, { policy_choice: 'all', all: {} }],
    [{ specific: [1] }, { policy_choice: 'specific', specific: { versions: ['1'] } }],
  ] as const) {
    test(`ModelConfig states the version policy ${JSON.stringify(policy)}`, async () => {
      ({ serving, caller } = await start(policy));
      const { config } = await caller.call<{ config: Record<string, unknown> }>('ModelConfig', {
        name: 'scale',
      });
      assert.deepEqual(config['version_policy'], stated);
    });
  }

  test('a model that failed to load and was unloaded since is unloaded', async () => {
    ({ serving, caller } = await start({ latest: 1 }));
    await placeBroken(3);
    await assert.rejects(load());
    await unload();
    assert.deepEqual((await reasons()).toSorted(), ['3: unloaded']);
  });

  for (const name of ['scale', 'unknown']) {
    test(`to unload what is not served changes nothing: ${name}`, async () => {
      ({ serving, caller } = await start({ latest: 1 }));
      await unload();
      const { manifestDigest, issuer } = serving.enclave;
      const { entries } = issuer.counts;
      const listed = await indexed();
      assert.deepEqual(await caller.call('RepositoryModelUnload', { model_name: name }), {});
      assert.deepEqual(serving.enclave.manifestDigest, manifestDigest);
      assert.equal(issuer.counts.entries, entries);
      assert.deepEqual(await indexed(), listed);
    });
  }

  test('a load that failed for a reason of the server says no more in the index', async (t) => {
    ({ serving, caller } = await start({ latest: 1 }));
    await unload();
    t.mock.method(serving.enclave, 'restate', async () => {
      throw new Error('the log cannot be appended to');
    });
    await assert.rejects(load(), { code: status.INTERNAL });
    assert.deepEqual(await reasons(), ['2: the request failed for a reason of the server']);
  });

  test('a model that was unloaded comes back with the versions that are there then', async () => {
    ({ serving, caller } = await start({ latest: 1 }));
    await unload();
    assert.deepEqual(await index(), ['2 UNAVAILABLE']);
    await place(10);
    await load();
    assert.deepEqual(await versions(), ['10']);
    assert.equal(await answer(), 10);
  });

  test('a load whose manifest cannot be stated leaves what was served, and nothing of itself', async (t) => {
    ({ serving, caller, engine } = await start({ latest: 1 }));
    const before = held();
    const restate = t.mock.method(serving.enclave, 'restate', async () => {
      throw new Error('the log cannot be appended to');
    });
    await assert.rejects(load(), { code: status.INTERNAL });
    await place(3);
    await assert.rejects(load(), { code: status.INTERNAL });
    restate.mock.restore();
    assert.equal(held(), before);
    assert.deepEqual(await versions(), ['2']);
    assert.equal(await answer(), 2);
    await load();
    assert.deepEqual(await versions(), ['3']);
    assert.equal(await answer(), 3);
  });

  test('a model that loads and may not be served leaves nothing of itself', async (t) => {
    ({ serving, caller, engine } = await start({ latest: 1 }));
    const { admission } = serving.enclave;
    const before = held();
    t.mock.method(admission, 'confirm', () => {
      throw new AssayError('LAUNCH_POLICY_MODEL', 'its test vectors are not those required');
    });
    const retired = t.mock.method(admission, 'retire').mock;
    await place(3);
    await assert.rejects(load(), { code: status.FAILED_PRECONDITION });
    assert.equal(held(), before);
    assert.deepEqual(
      retired.calls.map(({ arguments: [{ version }] }) => version),
      ['3'],
    );
    assert.deepEqual(await versions(), ['2']);
  });

  test('an unload whose manifest cannot be stated leaves everything served and stated', async (t) => {
    ({ serving, caller, engine } = await start({ all: true }));
    const before = held();
    const append = t.mock.method(serving.enclave.issuer, 'append', async () => {
      throw new Error('the head cannot be signed');
    });
    await assert.rejects(unload(), { code: status.INTERNAL });
    await remove(1);
    await assert.rejects(load(), { code: status.INTERNAL }, 'version 1 would be withdrawn');
    append.mock.restore();
    assert.deepEqual((await index()).toSorted(), ['1 READY', '2 READY']);
    assert.deepEqual(await versions(), ['1', '2']);
    assert.equal(await answer(), 2);
    assert.equal(held(), before);
    await unload();
    assert.deepEqual(await index(), ['2 UNAVAILABLE']);
    assert.deepEqual(serving.enclave.manifest.models, []);
    assert.equal(held(), 0);
  });

  test('an unload that the hardware is not told of ends the sessions of every version', async (t) => {
    ({ serving, caller, engine } = await start({ all: true }));
    t.mock.method(serving.enclave.admission, 'retire', async () => {
      throw new Error('RTMR3 cannot be extended');
    });
    await assert.rejects(unload(), { code: status.INTERNAL });
    assert.deepEqual(serving.enclave.manifest.models, []);
    assert.equal(held(), 0);
  });

  test('a load after which the hardware is not told of what it replaced ends that, and is served', async (t) => {
    ({ serving, caller, engine } = await start({ latest: 1 }));
    const before = held();
    t.mock.method(serving.enclave.admission, 'retire', async () => {
      throw new Error('RTMR3 cannot be extended');
    });
    await assert.rejects(load(), { code: status.INTERNAL });
    assert.equal(held(), before);
    assert.deepEqual(await versions(), ['2']);
    assert.equal(await answer(), 2);
  });

  test('why a load failed is told although the hardware was not told of its end', async (t) => {
    ({ serving, caller, engine } = await start({ latest: 1 }));
    const before = held();
    t.mock.method(serving.enclave.admission, 'retire', async () => {
      throw new Error('RTMR3 cannot be extended');
    });
    const append = t.mock.method(serving.enclave.issuer, 'append', async () => {
      throw new AssayError('MERKLE_PRUNED', 'the log takes no manifest');
    });
    await place(3);
    const untaken = { code: status.FAILED_PRECONDITION, details: /^MERKLE_PRUNED: / };
    await assert.rejects(load(), untaken);
    append.mock.restore();
    const vectors = join(folder, 'scale', '3', 'test_data_set_0');
    await mkdir(vectors);
    await writeFile(join(vectors, 'input_0.pb'), 'no tensor');
    const untried = { code: status.FAILED_PRECONDITION, details: /^MODEL_WIRE: / };
    await assert.rejects(load(), untried);
    assert.equal(held(), before);
    assert.deepEqual(await versions(), ['2']);
  });

  test('a load that was replaced or unloaded is forgotten, and has no more receipts', async () => {
    let contextOf: Started['contextOf'];
    ({ serving, caller, contextOf } = await start({ latest: 1 }));
    const stated = () => [1, 2].map((loadId) => contextOf(loadId) !== undefined);
    assert.deepEqual(stated(), [true, false]);
    await load();
    assert.deepEqual(stated(), [false, true]);
    await unload();
    assert.deepEqual(stated(), [false, false]);
  });

  test('what is loaded or unloaded leaves other models as they were', async () => {
    const other = { name: 'other', path: 'scale/1/model.onnx', batching: { maxBatchSize: 1 } };
    ({ serving, caller } = await start({ latest: 1 }, other));
    const served = () =>
      serving.models.list().map(({ name, version, served: is }) => `${name} ${version} ${is}`);
    await place(3);
    await load();
    assert.deepEqual(served().toSorted(), ['other 1 true', 'scale 3 true']);
    await unload();
    assert.deepEqual(served().toSorted(), ['other 1 true', 'scale 3 false']);
  });

  /** Starts a load whose manifest is stated when it is let go, and counts what is admitted after it. */
  const holdLoad = async (t: TestContext) => {
    const { enclave } = serving;
    const gate = new EventEmitter();
    const [reached, opened] = [once(gate, 'reached'), once(gate, 'opened')];
    const restate = enclave.restate.bind(enclave);
    t.mock.method(enclave, 'restate', async (models: Parameters<typeof restate>[0]) => {
      gate.emit('reached');
      await opened;
      return restate(models);
    });
    const loaded = load();
    await reached;
    const admitted = t.mock.method(enclave.admission, 'admit').mock;
    return { loaded, letGo: () => gate.emit('opened'), admitted };
  };

  test('a load whose caller is gone when its turn comes is none', {
    timeout: 60_000,
  }, async (t) => {
    ({ serving, caller } = await start({ latest: 1 }));
    const { loaded, letGo, admitted } = await holdLoad(t);
    const asked = t.mock.method(serving.models, 'load').mock;
    const session = connect(`http://127.0.0.1:${serving.plaintextPort}`);
    t.after(() => session.destroy());
    const path = '/inference.GRPCInferenceService/RepositoryModelLoad';
    const stream = send(session, path, [framed('\x12\x05scale')], {});
    stream.end();
    while (asked.calls.length === 0) await new Promise(setImmediate);
    const [change] = asked.calls;
    stream.close(constants.NGHTTP2_CANCEL);
    await once(stream, 'close');
    while (change?.arguments[1]?.() !== false) await new Promise(setImmediate);
    letGo();
    await loaded;
    await change.result;
    assert.equal(admitted.callCount(), 0);
    await unload();
    assert.deepEqual(await index(), ['2 UNAVAILABLE']);
  });

  test('sixteen changes may wait for one, and the next is refused with their number', async (t) => {
    ({ serving, caller } = await start({ latest: 1 }));
    const { loaded, letGo } = await holdLoad(t);
    const others = Array.from({ length: 17 }, (_, i) =>
      caller.call(i % 2 === 0 ? 'RepositoryModelLoad' : 'RepositoryModelUnload', {
        model_name: 'none',
      }),
    );
    await assert.rejects(Promise.race(others), {
      code: status.RESOURCE_EXHAUSTED,
      details: '16 loads and unloads wait for another already, no more may: try again later',
    });
    letGo();
    await loaded;
    const ends = await Promise.allSettled(others);
    const codes = ends.map((end) => (end.status === 'rejected' ? end.reason.code : status.OK));
    assert.deepEqual(codes, [
      ...Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? status.NOT_FOUND : status.OK)),
      status.RESOURCE_EXHAUSTED,
    ]);
    await load();
  });
});
