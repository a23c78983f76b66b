import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { fromBase64Url, toBase64Url } from '../../attestation/encoding/bytes.js';
import type { Tee } from '../../attestation/evidence/bundle.js';
import type { ExecutionProfile } from '../../attestation/evidence/execution-profile.js';
import { identifyModel } from '../../attestation/model/identity.js';
import { encodeClaims, type InferenceClaims } from '../../attestation/receipt/claims.js';
import {
  type CommittedTensor,
  commitTensors,
  encodeSalt,
} from '../../attestation/receipt/commitment.js';
import { encodeInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import type { Enclave } from '../../enclave/enclave.js';
import type { LogOptions } from '../../enclave/log.js';
import type { ServedModel } from '../../enclave/manifest.js';
import {
  attestationDefinition,
  attestationHandlers,
  loadAttestation,
} from '../../src/server/attestation-service.js';
import { bootOptions, bootServing, evidenceOf, launch, rootsOf, servedModel } from './enclave.js';
import { honestClaims, issueClaims } from './issue.js';
import { dataType, encodeModel } from './onnx.js';

/** What a server answers, before it goes out; a dishonest one changes it here. */
export interface Answer {
  outputs: CommittedTensor[];
  parameters: { [name: string]: { string_param: string } };
}

/** Where a server may lie. Each hook sees the honest value. */
export interface Lies {
  readonly salt?: (salt: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** Before the claims are logged and signed. */
  readonly claims?: (claims: InferenceClaims) => InferenceClaims;
  /** Makes the receipt, in place of the enclave's issuer. */
  readonly issue?: (claims: Uint8Array) => Promise<Uint8Array>;
  readonly answer?: (answer: Answer) => void;
  /** `GetEvidence`: the nonce that the hardware is asked to cover. */
  readonly nonce?: (nonce: Uint8Array) => Uint8Array;
  readonly bundle?: (bundle: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /** `GetTreeHead`. */
  readonly head?: (treeHead: Uint8Array) => Uint8Array;
  /** `GetConsistencyProof`. */
  readonly consistency?: (
    answer: { treeHead: Uint8Array; proof: Uint8Array },
    oldSize: number,
  ) => {
    treeHead: Uint8Array;
    proof: Uint8Array;
  };
  /** `GetInclusionProof`, in place of the enclave's issuer. */
  readonly inclusion?: (honest: () => Uint8Array, index: number) => Uint8Array;
}

/** A running server over a genuine enclave of the simulator. */
export interface AdderServer {
  readonly port: number;
  readonly target: string;
  readonly enclave: Enclave;
  /** The simulator's root, DER. */
  readonly root: Uint8Array;
  /** Requests to `ModelInfer` so far. */
  inferences: number;
  /** Of the last of them. */
  parameters: WireRequest['parameters'];
  /** What it answers to `ServerReady`, and to `ModelReady` for a model of its manifest. */
  ready: boolean;
  /** Lies can be exchanged while it runs. */
  lies: Lies;
  /** Says on every connection that no more calls are taken; those under way go on. */
  drain(): void;
  close(): void;
}

/** `sum = a + b` over FP32 vectors of two elements. */
export function adderModel(): Uint8Array {
  const pair = { tensor: dataType.float, shape: [2] };
  return encodeModel({
    graph: {
      name: 'adder',
      nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] }],
      inputs: [
        { name: 'a', type: pair },
        { name: 'b', type: pair },
      ],
      outputs: [{ name: 'sum', type: pair }],
    },
  });
}

function served(profile: ExecutionProfile | undefined, name: string): ServedModel {
  const identity = identifyModel({ path: 'adder.onnx', bytes: adderModel() });
  const model = { ...servedModel(name, 1), identity };
  return profile === undefined ? model : { ...model, profile };
}

/** inference.ModelInferRequest, as far as the adder reads it. */
interface WireRequest {
  readonly model_name: string;
  readonly parameters: {
    readonly [name: string]: { readonly string_param?: string; readonly int64_param?: number };
  };
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly raw_input_contents: readonly Uint8Array[];
}

const PROTO = fileURLToPath(new URL('../../../proto/open_inference_grpc.proto', import.meta.url));

function inferenceDefinition(): ServiceDefinition {
  const definitions = loadSync(PROTO, { keepCase: true, longs: Number, defaults: true });
  return definitions['inference.GRPCInferenceService'] as ServiceDefinition;
}

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer);
}

async function answer(enclave: Enclave, request: WireRequest, lies: Lies): Promise<object> {
  const inputs = request.inputs.map(({ name, shape }, i) => ({
    name,
    datatype: 'FP32',
    shape,
    data: new Uint8Array(request.raw_input_contents[i] ?? []),
  }));
  const [a, b] = inputs.map(({ data }) => floats(data));
  const sum = Float32Array.from(a ?? [], (value, i) => value + (b?.[i] ?? 0));
  const outputs = [{ name: 'sum', datatype: 'FP32', shape: [2], data: new Uint8Array(sum.buffer) }];
  const [model] = enclave.manifest.models;
  if (model === undefined) throw new Error('the adder is missing');
  const drawn = new Uint8Array(randomBytes(32));
  const salt = lies.salt?.(drawn) ?? drawn;
  const asked = request.parameters['nonce']?.string_param;
  const nonce = asked === undefined ? null : fromBase64Url(asked);
  const honest = honestClaims(enclave, model, [inputs, outputs], { nonce, salt });
  const claims = encodeClaims(lies.claims?.(honest) ?? honest);
  const issue = lies.issue ?? ((entry) => issueClaims(enclave.issuer, entry));
  const receipt = encodeInferenceReceipt({ claims, receipt: await issue(claims) });
  const made: Answer = {
    outputs,
    parameters: {
      receipt: { string_param: toBase64Url(receipt) },
      receipt_salt: { string_param: toBase64Url(encodeSalt(salt)) },
    },
  };
  lies.answer?.(made);
  return {
    model_name: model.name,
    model_version: model.version,
    parameters: made.parameters,
    outputs: made.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw_output_contents: made.outputs.map(({ data }) => data),
  };
}

/** A node that computes something else, and says so with a valid receipt. */
export function computing(values: readonly [number, number]): Lies {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return answering([{ name: 'sum', datatype: 'FP32', shape: [2], data }]);
}

/** A node that answers with any outputs, and a valid receipt over them. */
export function answering(outputs: CommittedTensor[]): Lies {
  let salt = new Uint8Array();
  return {
    salt: (drawn) => {
      salt = drawn;
      return drawn;
    },
    claims: (claims) => ({ ...claims, response: commitTensors('response', outputs, salt) }),
    answer: (answer) => {
      answer.outputs = outputs;
    },
  };
}

/**
 * Serves the model `adder` (FP32 a[2] + b[2]) from a genuine enclave of the simulator, computing the
 * sum itself: a server that can be made to lie at any place where a real one could.
 * @param profile how it says that it executes; a made-up one unless given.
 * @param log where it publishes its log.
 * @param place where it listens, any free port unless it is named, and on what hardware it is.
 */
export async function startAdder(
  lies: Lies = {},
  profile?: ExecutionProfile,
  log: LogOptions = {},
  name = 'adder',
  place: { readonly port?: number; readonly tee?: Tee } = {},
): Promise<AdderServer> {
  const platform = await launch(place.tee ?? 'sev-snp', null);
  const options = bootOptions(platform, [served(profile, name)], {
    launchPolicy: null,
    log: () => log,
  });
  const enclave = await bootServing(options);
  const { issuer } = enclave;
  const started = { lies, inferences: 0, parameters: {}, ready: true };
  const server = new Server();
  const attester = {
    manifestBytes: enclave.manifestBytes,
    issuer: {
      treeHead: () => {
        const honest = issuer.treeHead();
        return started.lies.head?.(honest) ?? honest;
      },
      inclusion: (index: number) => {
        const honest = (): Uint8Array => issuer.inclusion(index);
        return started.lies.inclusion?.(honest, index) ?? honest();
      },
      consistency: (oldSize: number) => {
        const honest = issuer.consistency(oldSize);
        return started.lies.consistency?.(honest, oldSize) ?? honest;
      },
    },
    evidence: async (nonce: Uint8Array) => {
      const bundle = await evidenceOf(enclave, started.lies.nonce?.(nonce) ?? nonce);
      return [(await started.lies.bundle?.(bundle)) ?? bundle];
    },
  };
  const handlers = attestationHandlers(attester, () => undefined);
  server.addService(attestationDefinition(loadAttestation()), handlers);
  server.addService(inferenceDefinition(), {
    ServerReady: (_: unknown, done: sendUnaryData<object>) => done(null, { ready: started.ready }),
    ModelReady: (
      { request }: ServerUnaryCall<{ readonly name: string; readonly version: string }, object>,
      done: sendUnaryData<object>,
    ) => {
      const served = enclave.manifest.models.some(
        ({ name, version }) => name === request.name && ['', version].includes(request.version),
      );
      done(null, { ready: started.ready && served });
    },
    ModelInfer: (call: ServerUnaryCall<WireRequest, object>, done: sendUnaryData<object>) => {
      started.inferences++;
      started.parameters = call.request.parameters;
      answer(enclave, call.request, started.lies).then(
        (response) => done(null, response),
        (error: unknown) => done({ code: 13, ...Object(error), details: String(error) }),
      );
    },
  });
  const { certificatePem, privateKeyPem } = enclave.keys.tls;
  const credentials = ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(certificatePem), private_key: Buffer.from(privateKeyPem) },
  ]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${place.port ?? 0}`, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const [root] = rootsOf(platform);
  if (root === undefined) throw new Error('the simulator has no root');
  return Object.assign(started, {
    port,
    target: `127.0.0.1:${port}`,
    enclave,
    root,
    drain: () => server.drain(`127.0.0.1:${port}`, 60_000),
    close: () => server.forceShutdown(),
  });
}
