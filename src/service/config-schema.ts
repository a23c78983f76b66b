import * as z from 'zod';
import { MAX_MODELS } from '../../attestation/evidence/manifest.js';
import { certificateHost } from '../../enclave/certificate-host.js';
import { modelOptions } from '../../enclave/model-options.js';
import { isHubReference } from '../hub/reference.js';

const port = z.number().int().min(0).max(65535);
const path = z.string().min(1);

const address = (defaultPort: number) =>
  z.strictObject({
    host: z.string().min(1).default('127.0.0.1'),
    port: port.default(defaultPort),
  });

const simulator = z
  .strictObject({
    kind: z.literal('simulator'),
    tee: z.enum(['sev-snp', 'tdx']).default('sev-snp'),
    reportVersion: z.literal([3, 5]).optional(),
    rootDirectory: path.optional(),
    pinned: z
      .string()
      .regex(/^([0-9a-f]{64}|[0-9a-f]{96})$/)
      .optional(),
  })
  .refine(({ tee, reportVersion }) => tee === 'sev-snp' || reportVersion === undefined, {
    path: ['reportVersion'],
    message: 'changes nothing with tee: tdx, it is of the reports of SEV-SNP',
  });

const configfs = z.strictObject({
  kind: z.literal('configfs-tsm'),
});

const azure = z.strictObject({
  kind: z.literal('azure-vtpm'),
});

const { version } = modelOptions;

const model = z
  .strictObject({
    ...modelOptions,
    version: version.unwrap().optional(),
    path: path,
    versionPolicy: z
      .union(
        [
          z.strictObject({ latest: z.number().int().min(1) }),
          z.strictObject({ all: z.literal(true) }),
          z.strictObject({ specific: z.array(z.number().int().min(1)).min(1) }),
        ],
        { error: 'expected {latest: N}, {all: true} or {specific: [N, …]}' },
      )
      .optional(),
    selfTest: z.boolean().default(true),
  })
  .refine((model) => model.versionPolicy === undefined || model.version === undefined, {
    path: ['version'],
    message: 'changes nothing beside versionPolicy: the folders below path name the versions',
  })
  .refine((model) => model.versionPolicy === undefined || !isHubReference(model.path), {
    path: ['versionPolicy'],
    message:
      "contradicts path: expected a folder of versions, not a hub's reference, which names one",
  })
  .transform((model) => ({ ...model, version: version.parse(model.version) }));

/** Everything that an operator can set; assay.example.yaml says what each member does. Unknown ones are errors. */
export const configSchema = z.strictObject({
  listen: address(8443).prefault({}),
  plaintext: address(8081).optional(),
  metrics: address(9464).optional(),
  hosts: z.array(certificateHost).min(1).default(['localhost', '127.0.0.1', '::1']),
  platform: z
    .discriminatedUnion('kind', [configfs, azure, simulator])
    .default({ kind: 'configfs-tsm' }),
  launchPolicy: path.optional(),
  models: z.array(model).min(1).max(MAX_MODELS),
  hub: z
    .strictObject({
      cache: path.default('hub-cache'),
      plainHttp: z.boolean().optional(),
    })
    .prefault({}),
  receiptLog: z
    .strictObject({
      retain: z
        .number()
        .int()
        .min(2 ** 16)
        .max(2 ** 26)
        .default(2 ** 20),
      directory: path.optional(),
    })
    .prefault({}),
  workers: z.number().int().min(1).max(1024).optional(),
  memoryBudgetBytes: z
    .number()
    .int()
    .min(1024 ** 2)
    .optional(),
  requestMemoryBytes: z.number().int().min(1024).optional(),
  maxMessageBytes: z
    .number()
    .int()
    .min(1024)
    .max(1024 ** 3)
    .default(64 * 1024 ** 2),
  connections: z
    .strictObject({
      max: z.number().int().min(1).max(1_000_000).default(1024),
      streams: z.number().int().min(1).max(1_000_000).default(256),
      idleSeconds: z.number().min(1).max(86_400).default(3600),
    })
    .prefault({}),
  modelControl: z.enum(['none', 'explicit']).default('none'),
  drainSeconds: z.number().min(0).max(3600).default(30),
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
  development: z.boolean().default(false),
});

export type Config = z.output<typeof configSchema>;

/** A model as the configuration names it. */
export type ConfiguredModel = Config['models'][number];
