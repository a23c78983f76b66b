import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, watch, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { AssayError } from '../../../attestation/encoding/error.js';
import { parseTarget } from '../../../src/client/endpoint.js';
import { PinnedChannel } from '../../../src/client/rpc.js';
import { assay, spawnAssay, withoutFull } from '../../forge/cli.js';
import { copiedRuntime } from '../../forge/copied-runtime.js';
import { scaleModel } from '../../forge/enclave.js';
import { serveScale } from '../../forge/served-scale.js';

const { folder, at, server, target, trust } = await serveScale();

/** Runs a command with its standard output on a device that is full. */
const ONTO_FULL = ['sh', '-c', 'exec "$@" >/dev/full', 'sh'];

test('a result that cannot be written is no verdict: exit 2', { skip: withoutFull }, async () => {
  const command = spawnAssay(['inspect', at('scale.onnx')], {}, ONTO_FULL);
  assert.equal(await command.ended, 2);
  assert.match(command.written.err, /^error USAGE_FILE: cannot write to standard output: ENOSPC/);
});

test('an error that cannot be written keeps its exit code', { skip: withoutFull }, async () => {
  const full = ['sh', '-c', 'exec "$@" 2>/dev/full', 'sh'];
  assert.equal(await spawnAssay(['inspect', at('no-such.onnx')], {}, full).ended, 2);
});

test('a file that cannot be written whole leaves what was there before it', async () => {
  const small = ['sh', '-c', 'ulimit -f 4 && exec "$@"', 'sh'];
  await writeFile(at('kept.cbor'), 'of an earlier run');
  for (const [name, left] of [
    ['cut.cbor', undefined],
    ['kept.cbor', 'of an earlier run'],
  ] as const) {
    const save = ['--save', at(name)];
    const command = spawnAssay(['attest', target, ...trust(), ...save], {}, small);
    assert.equal(await command.ended, 2);
    assert.match(command.written.err, new RegExp(`^error USAGE_FILE: .* ${at(name)}: EFBIG`, 'm'));
    const found = existsSync(at(name)) ? await readFile(at(name), 'utf8') : undefined;
    assert.equal(found, left, name);
  }
});

test('a bundle that cannot be written takes no verdict along', { skip: withoutFull }, async () => {
  for (const [policy, verdict, code] of [
    ['other.json', 'REFUSED', 1],
    ['policy.json', 'AFFIRMED', 2],
  ] as const) {
    const args = ['--policy', at(policy), '--root', at('root.pem'), '--save', '/dev/full'];
    const { code: exit, out, err } = await assay(['attest', target, ...args]);
    assert.match(out, new RegExp(`^${verdict}\\b`, 'm'));
    assert.match(err, /^error USAGE_FILE: cannot write \/dev\/full: /m);
    assert.equal(exit, code);
  }
});

describe('the service', () => {
  test('never writes what callers send: a canary in contents, names and parameters', async () => {
    const canary = 'canary7f3a9b2c55';
    const bytes = Buffer.from(canary);
    const channel = await PinnedChannel.open(parseTarget(target), 10_000);
    const request = (changes: object): object => ({
      model_name: 'scale',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [4] }],
      raw_input_contents: [bytes],
      ...changes,
    });
    const input = (changes: object): object => ({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [4], ...changes }],
    });
    const requests = {
      answered: request({ id: canary }),
      'a shape that does not fit': request(input({ shape: [5] })),
      'another datatype': request(input({ datatype: 'BYTES' })),
      'contents and raw contents': request(input({ contents: { bytes_contents: [bytes] } })),
      'contents of another datatype': request({
        ...input({ contents: { bytes_contents: [bytes] } }),
        raw_input_contents: [],
      }),
      'an unknown input': request(input({ name: canary })),
      'an unknown model': request({ model_name: canary }),
      'an unknown output': request({ outputs: [{ name: canary }] }),
      'a nonce that is none': request({ parameters: { nonce: { string_param: canary } } }),
    };
    const forms = [
      canary,
      bytes.toString('base64'),
      bytes.toString('hex'),
      bytes.toString('utf16le'),
    ];
    for (const [name, message] of Object.entries(requests)) {
      const call = channel.call('inference.GRPCInferenceService', 'ModelInfer', message, {
        timeout: 10_000,
      });
      if (name === 'answered') await call;
      else {
        const error = await call.then(
          () => assert.fail(`${name} was answered`),
          (reason: AssayError) => reason,
        );
        assert.equal(error.code, 'CLIENT_SERVICE', name);
        if (!/unknown|none/.test(name)) {
          for (const form of forms) assert.ok(!error.message.includes(form), error.message);
        }
      }
    }
    channel.close();
    const { out, err } = server.written;
    assert.match(out, /serving/);
    assert.equal(err, '');
    for (const form of forms) assert.ok(!out.includes(form), `the log holds ${form}`);
  });

  test('SIGUSR1 opens no inspector', async () => {
    server.kill('SIGUSR1');
    const attested = spawnAssay(['attest', target, ...trust()]);
    assert.equal(await attested.ended, 0);
    assert.equal(server.written.err, '');
  });

  test('drains and ends with exit code 0 on SIGTERM', async () => {
    server.kill('SIGTERM');
    assert.equal(await server.ended, 0);
    assert.match(server.written.out, /draining/);
  });

  test('goes on where its log cannot be written', { skip: withoutFull }, async () => {
    const written = watch(folder);
    const args = ['serve', at('assay.json'), '--simulator-root', at('late.pem')];
    const service = spawnAssay(args, {}, ONTO_FULL);
    for await (const { filename } of written) if (filename === 'late.pem') break;
    service.kill('SIGTERM');
    assert.equal(await service.ended, 0);
  });

  test('logs no more than its configuration asks for', async () => {
    const config = JSON.parse(await readFile(at('assay.json'), 'utf8'));
    await writeFile(at('quiet.json'), JSON.stringify({ ...config, logLevel: 'error' }));
    const written = watch(folder);
    const service = spawnAssay(['serve', at('quiet.json'), '--simulator-root', at('quiet.pem')]);
    for await (const { filename } of written) if (filename === 'quiet.pem') break;
    service.kill('SIGTERM');
    assert.equal(await service.ended, 0);
    assert.deepEqual(service.written, { out: '', err: '' });
  });

  test('loads nothing where the root cannot be written, or there is none to write', async () => {
    const config = JSON.parse(await readFile(at('assay.json'), 'utf8'));
    await writeFile(at('hardware.json'), JSON.stringify({ ...config, platform: undefined }));
    for (const [file, root, says] of [
      [
        'assay.json',
        at('nowhere/root.pem'),
        /USAGE_FILE: cannot write .*: there is no such folder/,
      ],
      ['assay.json', folder, /USAGE_FILE: cannot write .*: it is a directory/],
      ['assay.json', '-', /USAGE_OPTION: expected the path of an output, not -/],
      [
        'hardware.json',
        at('none.pem'),
        /USAGE_OPTION: --simulator-root changes nothing with the platform configfs-tsm/,
      ],
    ] as const) {
      const refused = spawnAssay(['serve', at(file), '--simulator-root', root]);
      assert.equal(await refused.ended, 2);
      assert.match(refused.written.err, says);
      assert.equal(refused.written.out, '');
    }
  });

  test('does not start under NODE_OPTIONS', async () => {
    const refused = spawnAssay(['serve', at('assay.json')], { NODE_OPTIONS: '--no-warnings' });
    assert.equal(await refused.ended, 2);
    assert.match(refused.written.err, /CONFIG_ENVIRONMENT/);
  });

  test('does not start under LD_LIBRARY_PATH, nor in development with a library that it did not hash', async () => {
    const env = copiedRuntime(at('libraries'));
    const refused = spawnAssay(['serve', at('assay.json')], env);
    assert.equal(await refused.ended, 2);
    assert.match(refused.written.err, /^error CONFIG_ENVIRONMENT: .* under LD_LIBRARY_PATH: /);

    const config = JSON.parse(await readFile(at('assay.json'), 'utf8'));
    const development = { ...config, development: true, launchPolicy: undefined };
    await writeFile(at('development.json'), JSON.stringify(development));
    const mapped = spawnAssay(['serve', at('development.json')], env);
    assert.equal(await mapped.ended, 4);
    assert.match(mapped.written.err, /^error ENGINE_LOAD: /m);
    const because = mapped.written.err.split('not what this process has mapped')[1];
    assert.ok(because?.includes(`${at('libraries')}/libonnxruntime.so.1`), mapped.written.err);
  });

  test('does not start with a broken model, and says which one it is', async () => {
    await writeFile(at('broken.onnx'), 'no model');
    const config = JSON.parse(await readFile(at('assay.json'), 'utf8'));
    const models = [...config.models, { name: 'second', path: 'broken.onnx' }];
    await writeFile(at('broken.json'), JSON.stringify({ ...config, models }));
    const refused = spawnAssay(['serve', at('broken.json')]);
    assert.equal(await refused.ended, 1);
    assert.match(
      refused.written.err,
      /^error MODEL_FIELD_UNKNOWN: model second 1 \(.*broken\.onnx\): /,
    );
  });

  test('does not start without a file of its model, which is no verdict on the model: exit 2', async () => {
    const config = JSON.parse(await readFile(at('assay.json'), 'utf8'));
    const models = [{ name: 'scale', path: 'none.onnx' }];
    await writeFile(at('absent.json'), JSON.stringify({ ...config, models }));
    const refused = spawnAssay(['serve', at('absent.json')]);
    assert.equal(await refused.ended, 2);
    assert.match(refused.written.err, /^error MODEL_FILE: model scale 1 \(.*none\.onnx\): /);
  });

  test('does not start with a model that the launch policy does not name', async () => {
    await writeFile(at('scale.onnx'), scaleModel(3));
    const refused = spawnAssay(['serve', at('assay.json')]);
    assert.equal(await refused.ended, 1);
    assert.match(refused.written.err, /LAUNCH_POLICY_MODEL/);
  });
});
