import * as z from 'zod';
import { certificateHost } from '../enclave/certificate-host.js';
import { modelOptions } from '../enclave/model-options.js';

const port = z.number().int().min(0).max(65535);
const path = z.string().min(1);

const address = (defaultPort: number) =>
  z.strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('address to bind; 0.0.0.0 or :: for all'),
    port: port.default(defaultPort).describe('0 lets the system choose'),
  });

const simulator = z.strictObject({
  kind: z.literal('simulator').describe('no hardware: evidence under a root that says SIMULATED'),
  tee: z.enum(['sev-snp', 'tdx']).default('sev-snp').describe('the hardware that is played'),
  reportVersion: z
    .union([z.literal(3), z.literal(5)])
    .optional()
    .describe('SEV-SNP report version'),
  rootDirectory: path.optional().describe('where the simulated vendor keeps its keys'),
  pinned: z
    .string()
    .regex(/^([0-9a-f]{64}|[0-9a-f]{96})$/)
    .optional()
    .describe('HOST_DATA or MRCONFIGID, hexadecimal; the digest of launchPolicy unless given'),
});

const configfs = z.strictObject({
  kind: z.literal('configfs-tsm').describe("the kernel's attestation interface, SEV-SNP and TDX"),
});

const azure = z.strictObject({
  kind: z
    .literal('azure-vtpm')
    .describe("Azure's confidential VMs: the paravisor's report in the vTPM, SEV-SNP and TDX"),
});

const model = z.strictObject({
  ...modelOptions,
  path: path.describe(
    'the .onnx file, external data beside it; or oci://…@sha256:… or ocidir://…@sha256:…',
  ),
  versionPolicy: z
    .union([
      z.strictObject({ latest: z.number().int().min(1) }),
      z.strictObject({ all: z.literal(true) }),
      z.strictObject({ specific: z.array(z.number().int().min(1)).min(1) }),
    ])
    .optional()
    .describe(
      "path is a folder in Triton's layout, <version>/model.onnx; which versions to serve, chosen at each load",
    ),
  selfTest: z
    .boolean()
    .default(true)
    .describe('run test_data_set_* beside the model before it is served; outcome in the manifest'),
});

/** Everything that an operator can set. Unknown members are errors. */
export const configSchema = z.strictObject({
  listen: address(8443).prefault({}).describe('gRPC over TLS with the key that is attested'),
  plaintext: address(8081)
    .optional()
    .describe(
      'gRPC without TLS, only where it is asked for: the host reads and changes what passes',
    ),
  metrics: address(9464).optional().describe('Prometheus metrics over HTTP; absent: none'),
  hosts: z
    .array(certificateHost)
    .min(1)
    .default(['localhost', '127.0.0.1', '::1'])
    .describe('DNS names and IP addresses in the TLS certificate'),
  platform: z
    .discriminatedUnion('kind', [configfs, azure, simulator])
    .default({ kind: 'configfs-tsm' })
    .describe('where evidence comes from'),
  launchPolicy: path
    .optional()
    .describe('launch policy file (JSON or YAML); its digest is HOST_DATA or MRCONFIGID'),
  models: z.array(model).min(1).describe('the models to serve'),
  hub: z
    .strictObject({
      cache: path.default('hub-cache').describe('folder that keeps the models of hubs'),
      plainHttp: z
        .boolean()
        .optional()
        .describe('true: registries without TLS; false: TLS even to this machine'),
    })
    .prefault({})
    .describe('how models with a reference are brought here'),
  receiptLog: z
    .strictObject({
      retain: z
        .number()
        .int()
        .min(2 ** 16)
        .max(2 ** 26)
        .default(2 ** 20)
        .describe('newest entries whose proofs come from memory, 64 bytes each'),
      directory: path
        .optional()
        .describe('where tiles and heads are written, one folder an epoch; absent: nowhere'),
    })
    .prefault({})
    .describe('the log of receipts'),
  workers: z
    .number()
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe('threads that execute models; one a core unless given'),
  memoryBudgetBytes: z
    .number()
    .int()
    .min(1024 ** 2)
    .optional()
    .describe(
      'what the models and their sessions may take together; three quarters of the memory unless given',
    ),
  requestMemoryBytes: z
    .number()
    .int()
    .min(1024)
    .optional()
    .describe(
      'what accepted requests may take together until they are answered; more are answered RESOURCE_EXHAUSTED; an eighth of the memory unless given',
    ),
  maxMessageBytes: z
    .number()
    .int()
    .min(1024)
    .max(1024 ** 3)
    .default(64 * 1024 ** 2)
    .describe('largest request, bytes; a larger one is answered RESOURCE_EXHAUSTED'),
  connections: z
    .strictObject({
      max: z
        .number()
        .int()
        .min(1)
        .max(1_000_000)
        .default(1024)
        .describe('open at once on each listener; more are closed as they come'),
      streams: z
        .number()
        .int()
        .min(1)
        .max(1_000_000)
        .default(256)
        .describe('calls under way on one connection'),
      idleSeconds: z
        .number()
        .min(1)
        .max(86_400)
        .default(3600)
        .describe('a connection without a call for so long is closed'),
    })
    .prefault({})
    .describe('what callers may keep open'),
  modelControl: z
    .enum(['none', 'explicit'])
    .default('none')
    .describe(
      'explicit: whoever can call may load and unload the configured models at run time; none: nobody',
    ),
  drainSeconds: z
    .number()
    .min(0)
    .max(3600)
    .default(30)
    .describe('on SIGTERM, how long requests under way may take'),
  logLevel: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent'])
    .default('info')
    .describe('logs never contain tensors or keys'),
  development: z
    .boolean()
    .default(false)
    .describe(
      "start under Node's options and variables, an inspector, LD_PRELOAD or ORT_*: never in production",
    ),
});

export type Config = z.output<typeof configSchema>;

/** A model as the configuration names it. */
export type ConfiguredModel = Config['models'][number];
