import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { AssayError } from '../../attestation/encoding/error.js';
import { hex, schemaError } from '../../attestation/encoding/schema.js';
import { certificateHost } from '../certificate-host.js';
import { parseYaml } from '../document.js';
import { modelOptions } from '../model-options.js';
import { commandLine } from '../plain-text.js';

const digest = hex(32);

const schema = z
  .strictObject({
    version: z.literal(1),
    /** Kernel command line; part of the measurement. */
    commandLine,
    /** DNS names and IP addresses in the TLS certificate. */
    hosts: z.array(certificateHost).min(1),
    port: z.number().int().min(1).max(65535).default(8443),
    metricsPort: z.number().int().min(1).max(65535).optional(),
    /** Whether the host pins the launch policy (HOST_DATA, MRCONFIGID); clouds do not let one. */
    pinned: z.boolean().default(true),
    /** Where evidence comes from: the kernel's own interface, or the vTPM of Azure's paravisor. */
    platform: z.enum(['configfs-tsm', 'azure-vtpm']).default('configfs-tsm'),
    workers: z.number().int().min(1).max(1024).optional(),
    models: z
      .array(
        z.strictObject({
          ...modelOptions,
          /** The .onnx file, relative to the specification; its external data lies beside it. */
          path: z.string().min(1),
          /**
           * What the launch policy requires of the model's test vectors; they and `tolerances.json`, beside
           * the model, then go into the image. Absent: none are required, and none are in the image.
           */
          selfTest: z.strictObject({ vectors: digest, outputs: digest.optional() }).optional(),
        }),
      )
      .min(1),
  })
  .refine(({ platform, pinned }) => platform !== 'azure-vtpm' || !pinned, {
    path: ['pinned'],
    message: 'expected false: Azure lets nobody pin a launch policy',
  });

/** What a guest image is to serve. */
export type ImageSpecification = z.output<typeof schema>;

/** Reads the specification in a file. Throws CONFIG_IMAGE. */
export async function readSpecification(path: string): Promise<ImageSpecification> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    const message = `cannot read ${path}: expected an image specification`;
    throw new AssayError('CONFIG_IMAGE', message, cause);
  });
  return parseSpecification(text, path);
}

/** Takes the text of a specification apart; model paths become absolute. Throws CONFIG_IMAGE. */
export function parseSpecification(text: string, path: string): ImageSpecification {
  const result = schema.safeParse(parseYaml(text, path, 'CONFIG_IMAGE'));
  if (!result.success) {
    throw schemaError('CONFIG_IMAGE', `${path} is no image specification`, result.error);
  }
  const models = result.data.models.map((model) => ({
    ...model,
    path: resolve(dirname(path), model.path),
  }));
  return { ...result.data, models };
}
