import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, watch, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import type { AssayError } from '../../../attestation/encoding/error.js';
import { decodeBundle, encodeBundle } from '../../../attestation/evidence/bundle.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { decodeProofFile, encodeProofFile } from '../../../attestation/receipt/proof-file.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { parseTarget } from '../../../src/client/endpoint.js';
import { formatNpy, parseNpy } from '../../../src/client/npy.js';
import { PinnedChannel } from '../../../src/client/rpc.js';
import { elementsOf, tensor } from '../../../src/client/tensor.js';
import { assay, type Spawned, spawnAssay } from '../../forge/cli.js';
import { scaleModel, simulatorKeys } from '../../forge/enclave.js';

let folder = '';
let server: Spawned;
let target = '';
const at = (name: string): string => join(folder, name);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'assay-cli-'));
  const { graph } = identifyModel({ path: 'scale.onnx', bytes: scaleModel(2) });
  const policy = {
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: { models: [{ graph: toHex(graph) }] },
  };
  const config = {
    listen: { port: 0 },
    platform: { kind: 'simulator', rootDirectory: simulatorKeys },
    launchPolicy: 'launch.json',
    models: [{ name: 'scale', path: 'scale.onnx' }],
    workers: 1,
    logLevel: 'debug',
  };
  const files = {
    'scale.onnx': scaleModel(2),
    'launch.json': JSON.stringify({ version: 1, models: [{ graph: toHex(graph) }] }),
    'assay.json': JSON.stringify(config),
    'policy.json': JSON.stringify(policy),
    'other.json': JSON.stringify({ ...policy, snp: { measurements: ['00'.repeat(48)] } }),
    'misspelt.json': JSON.stringify({ ...policy, enclaves: {} }),
    'x.npy': formatNpy(tensor('x', 'FP32', [1, -2, 0.1])),
    'x.json': '[1, -2, 0.1]',
    'x.raw': new Uint8Array(Float32Array.of(1, -2, 0.1).buffer),
    'x64.npy': formatNpy(tensor('x', 'FP64', [1])),
  };
  await Promise.all(Object.entries(files).map(([name, data]) => writeFile(at(name), data)));
  server = spawnAssay(['serve', at('assay.json'), '--simulator-root', at('root.pem')]);
  await server.logged('path');
  target = `localhost:${await server.logged('port')}`;
});
after(async () => {
  server.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

const trust = (): string[] => ['--policy', at('policy.json'), '--root', at('root.pem')];

describe('assay attest', () => {
  test('affirms, saves the evidence, writes the certificate to pin', async () => {
    const files = ['--save', at('bundle.cbor'), '--ca', at('enclave.pem')];
    const { code, out, err } = await assay(['attest', target, ...trust(), ...files, '--json']);
    const result = JSON.parse(out);
    assert.deepEqual([code, err], [0, '']);
    assert.equal(result.verdict, 'affirmed');
    assert.equal(result.simulated, true);
    assert.equal(result.fresh, true);
    assert.equal(result.target, target);
    assert.match(result.nonce, /^[0-9a-f]{64}$/);
    assert.equal(result.checks.at(-1).id, 'client.tls-key');
    const certificate = new X509Certificate(await readFile(at('enclave.pem')));
    assert.match(certificate.subjectAltName ?? '', /localhost/);
    const nonce = ['--nonce', result.nonce];
    const again = await assay([
      'verify',
      'evidence',
      at('bundle.cbor'),
      ...trust(),
      ...nonce,
      '--json',
    ]);
    assert.equal(again.code, 0);
    assert.equal(JSON.parse(again.out).fresh, true);
  });

  test('says SIMULATED where people read', async () => {
    const { out } = await assay(['attest', target, ...trust()]);
    assert.match(out, /^SIMULATED: no hardware signed this/);
    assert.match(out, /^AFFIRMED /m);
  });

  test('writes no certificate of an enclave that is not affirmed', async () => {
    const ca = at('never.pem');
    const args = ['--policy', at('other.json'), '--root', at('root.pem'), '--ca', ca];
    const { code, out, err } = await assay(['attest', target, ...args]);
    assert.equal(code, 1);
    assert.match(out, /^REFUSED /m);
    assert.match(err, /not written/);
    assert.equal(existsSync(ca), false);
  });

  const exits: readonly (readonly [string, () => string[], number, string])[] = [
    ['no policy', () => ['attest', target, '--root', at('root.pem')], 1, ''],
    ['the vendors’ roots', () => ['attest', target, '--policy', at('policy.json')], 1, ''],
    ['a closed port', () => ['attest', 'localhost:1', ...trust()], 4, 'CLIENT_UNREACHABLE'],
    ['no port', () => ['attest', 'localhost', ...trust()], 2, 'USAGE_TARGET'],
    ['no target', () => ['attest'], 2, 'USAGE_ARGUMENTS'],
    ['an unknown option', () => ['attest', target, '--insecure'], 2, 'USAGE_ARGUMENTS'],
    ['a time that is none', () => ['attest', target, '--at', 'noon'], 2, 'USAGE_ARGUMENTS'],
    ['no such policy', () => ['attest', target, '--policy', at('none')], 2, 'USAGE_FILE'],
    ['a folder for a policy', () => ['attest', target, '--policy', folder], 2, 'USAGE_FILE'],
    [
      'a misspelt policy',
      () => ['attest', target, '--policy', at('misspelt.json')],
      2,
      'POLICY_INVALID',
    ],
    ['a root that is none', () => ['attest', target, '--root', at('x.json')], 2, 'USAGE_FILE'],
  ];
  for (const [name, args, code, error] of exits) {
    test(`${name}: exit code ${code}`, async () => {
      const outcome = await assay([...args(), '--json']);
      assert.equal(outcome.code, code, outcome.err);
      if (error !== '') assert.equal(JSON.parse(outcome.err).error.code, error);
    });
  }
});

describe('assay policy init', () => {
  test('makes a policy that affirms what it was made from', async () => {
    await assay(['attest', target, ...trust(), '--save', at('known.cbor')]);
    const made = await assay(['policy', 'init', at('known.cbor'), '--root', at('root.pem')]);
    assert.equal(made.code, 0);
    assert.match(made.out, /^# SIMULATED/);
    await writeFile(at('made.yaml'), made.out);
    const args = ['attest', target, '--policy', at('made.yaml'), '--root', at('root.pem')];
    assert.equal((await assay(args)).code, 0);
  });
  test('makes none from evidence that is not authentic', async () => {
    const made = await assay(['policy', 'init', at('known.cbor')]);
    assert.equal(made.code, 1);
    assert.match(made.out, /^REFUSED /m);
  });
});

describe('assay infer', () => {
  for (const file of ['x.npy', 'x.json', 'x.raw']) {
    test(`${file}: the answer is twice the question, to the bit`, async () => {
      const args = ['infer', target, 'scale', '--input', `x=${at(file)}`, ...trust()];
      const { code, out, err } = await assay([...args, '--json']);
      assert.deepEqual([code, err], [0, '']);
      const { outputs, receipt, simulated } = JSON.parse(out);
      assert.equal(simulated, true);
      assert.deepEqual(outputs, [{ name: 'y', datatype: 'FP32', shape: [3], data: [2, -4, 0.2] }]);
      assert.match(receipt.response, /^[0-9a-f]{64}$/);
    });
  }

  test('writes outputs, reads from standard input, and shows the banner', async () => {
    const args = ['infer', target, 'scale', '--input', 'x=-', '--output', `y=${at('y.npy')}`];
    const stdin = formatNpy(tensor('x', 'FP32', [21]));
    const { code, out } = await assay([...args, ...trust()], { stdin });
    assert.equal(code, 0);
    assert.match(out, /^SIMULATED/);
    assert.match(out, /Receipt: verified/);
    assert.deepEqual(elementsOf(parseNpy('y', await readFile(at('y.npy')))), [42]);
  });

  const input = (): string => `x=${at('x.npy')}`;
  const exits: readonly (readonly [string, () => string[], number, string])[] = [
    ['an unknown model', () => ['shrink', '--input', input(), ...trust()], 2, 'CLIENT_MODEL'],
    [
      'an unknown input',
      () => ['scale', '--input', `z=${at('x.npy')}`, ...trust()],
      2,
      'CLIENT_INPUT',
    ],
    [
      'an unknown output',
      () => ['scale', '--input', input(), '--output', 'z', ...trust()],
      2,
      'CLIENT_OUTPUT',
    ],
    [
      'another datatype',
      () => ['scale', '--input', `x=${at('x64.npy')}`, ...trust()],
      2,
      'TENSOR_DATATYPE',
    ],
    ['no name', () => ['scale', '--input', at('x.npy'), ...trust()], 2, 'USAGE_OPTION'],
    ['a missing input', () => ['scale', ...trust()], 2, 'CLIENT_SERVICE'],
    [
      'a shape that is none',
      () => ['scale', '--input', input(), '--shape', 'x=1,a', ...trust()],
      2,
      'USAGE_OPTION',
    ],
  ];
  for (const [name, args, code, error] of exits) {
    test(`${name}: exit code ${code}`, async () => {
      const outcome = await assay(['infer', target, ...args(), '--json']);
      assert.equal(outcome.code, code, outcome.err);
      assert.equal(JSON.parse(outcome.err).error.code, error);
      assert.equal(outcome.out, '');
    });
  }

  test('sends nothing to a server that is not affirmed', async () => {
    const args = ['--input', input(), '--policy', at('other.json'), '--root', at('root.pem')];
    const { code, out } = await assay(['infer', target, 'scale', ...args, '--json']);
    assert.equal(code, 1);
    assert.equal(JSON.parse(out).code, 'snp.measurement');
  });
});

describe('assay verify receipt', () => {
  const verify = (name: string, ...more: readonly string[]) =>
    assay(['verify', 'receipt', at(name), ...trust(), ...more, '--json']);

  before(async () => {
    const args = ['--input', `x=${at('x.npy')}`, '--save-proof', at('a.proof'), ...trust()];
    assert.equal((await assay(['infer', target, 'scale', ...args])).code, 0);
  });

  test('a proof holds offline, and is never fresh by itself', async () => {
    const { code, out } = await verify('a.proof');
    const result = JSON.parse(out);
    assert.equal(code, 0);
    assert.equal(result.verdict, 'affirmed');
    assert.equal(result.fresh, false);
    assert.deepEqual(result.model, { name: 'scale', version: '1' });
  });

  test('it is fresh for whoever drew the nonce of its evidence', async () => {
    const { evidenceNonce } = decodeProofFile(await readFile(at('a.proof')));
    const { code, out } = await verify('a.proof', '--nonce', toHex(evidenceNonce));
    assert.deepEqual([code, JSON.parse(out).fresh], [0, true]);
    const other = await verify('a.proof', '--nonce', '00'.repeat(32));
    assert.deepEqual([other.code, JSON.parse(other.out).code], [1, 'BINDING_CHALLENGE']);
  });

  test('it does not hold before the certificates do', async () => {
    const { code } = await verify('a.proof', '--at', '2001-01-01');
    assert.equal(code, 1);
  });

  const changed: readonly (readonly [string, string, () => Promise<Uint8Array>])[] = (
    [
      [
        'an output',
        'receipt.response',
        ({ outputs }) => ({
          outputs: outputs.map((o) => ({ ...o, data: o.data.map((b) => b ^ 1) })),
        }),
      ],
      [
        'an input',
        'receipt.request',
        ({ inputs }) => ({ inputs: inputs.map((o) => ({ ...o, shape: [1, 3] })) }),
      ],
      ['the nonce', 'receipt.nonce', () => ({ nonce: new Uint8Array(32) })],
      ['the model', 'receipt.model', () => ({ model: { name: 'other', version: '1' } })],
      ['the version', 'receipt.model', () => ({ model: { name: 'scale', version: '2' } })],
      ['the salt', 'receipt.request', () => ({ salt: new Uint8Array(32) })],
      ['the receipt', 'RECEIPT_ENCODING', ({ receipt }) => ({ receipt: receipt.subarray(1) })],
      ['the evidence’s nonce', 'BINDING_CHALLENGE', () => ({ evidenceNonce: new Uint8Array(32) })],
      ['the evidence', 'BUNDLE_ENCODING', ({ evidence }) => ({ evidence: evidence.subarray(1) })],
    ] as readonly (readonly [
      string,
      string,
      (proof: ReturnType<typeof decodeProofFile>) => Partial<ReturnType<typeof decodeProofFile>>,
    ])[]
  ).map(([name, code, change]) => [
    name,
    code,
    async () => {
      const proof = decodeProofFile(await readFile(at('a.proof')));
      return encodeProofFile({ ...proof, ...change(proof) });
    },
  ]);
  for (const [name, code, make] of changed) {
    test(`${name} changed is refused as ${code}`, async () => {
      await writeFile(at('changed.proof'), await make());
      const outcome = await verify('changed.proof');
      assert.equal(outcome.code, 1);
      assert.equal(JSON.parse(outcome.out).code, code);
    });
  }

  test('what is no proof file is refused', async () => {
    const outcome = await verify('x.json');
    assert.deepEqual([outcome.code, JSON.parse(outcome.out).code], [1, 'PROOF_ENCODING']);
  });

  test('evidence without endorsements can not be checked: exit code 3', async () => {
    const proof = decodeProofFile(await readFile(at('a.proof')));
    const bundle = decodeBundle(proof.evidence);
    const evidence = encodeBundle({ ...bundle, endorsements: null });
    await writeFile(at('bare.proof'), encodeProofFile({ ...proof, evidence }));
    const outcome = await verify('bare.proof');
    assert.equal(outcome.code, 3);
    assert.equal(JSON.parse(outcome.out).verdict, 'unchecked');
    await writeFile(at('bare.cbor'), evidence);
    const bare = await assay(['verify', 'evidence', at('bare.cbor'), ...trust()]);
    assert.equal(bare.code, 3);
    assert.match(bare.out, /^UNCHECKED /m);
  });
});

const withoutFull = existsSync('/dev/full') ? false : 'this system has no /dev/full';
/** Runs a command with its standard output on a device that is full. */
const ONTO_FULL = ['sh', '-c', 'exec "$@" >/dev/full', 'sh'];

test('a result that cannot be written is no verdict: exit 2', { skip: withoutFull }, async () => {
  const command = spawnAssay(['inspect', at('scale.onnx')], {}, ONTO_FULL);
  assert.equal(await command.ended, 2);
  assert.match(command.written.err, /^error USAGE_FILE: cannot write to standard output: ENOSPC/);
});

test('nothing is left of a file that cannot be written whole', async () => {
  const small = ['sh', '-c', 'ulimit -f 4 && exec "$@"', 'sh'];
  const save = ['--save', at('cut.cbor')];
  const command = spawnAssay(['attest', target, ...trust(), ...save], {}, small);
  assert.equal(await command.ended, 2);
  assert.match(command.written.err, /^error USAGE_FILE: cannot write .*cut\.cbor: EFBIG/m);
  assert.equal(existsSync(at('cut.cbor')), false);
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

  test('does not start under NODE_OPTIONS', async () => {
    const refused = spawnAssay(['serve', at('assay.json')], { NODE_OPTIONS: '--no-warnings' });
    assert.equal(await refused.ended, 2);
    assert.match(refused.written.err, /CONFIG_ENVIRONMENT/);
  });

  test('does not start with a model that the launch policy does not name', async () => {
    await writeFile(at('scale.onnx'), scaleModel(3));
    const refused = spawnAssay(['serve', at('assay.json')]);
    assert.equal(await refused.ended, 1);
    assert.match(refused.written.err, /LAUNCH_POLICY_MODEL/);
  });
});
