import * as z from 'zod';
import { utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { schemaError } from '../../attestation/encoding/schema.js';
import { digestOf, digestSchema } from './digest.js';
import { ARTIFACT_TYPE, EMPTY_TYPE, MANIFEST_TYPE } from './media-type.js';

/** Registries refuse larger manifests too (OCI distribution-spec 1.1, "Pushing manifests"). */
export const MAX_MANIFEST = 4 * 1024 * 1024;
const MAX_LAYERS = 4096;
/** Annotations that Assay reads. */
export const ANNOTATION = {
  title: 'org.opencontainers.image.title',
  graph: 'vnd.assay.model.graph',
} as const;

const annotations = z.record(z.string().max(256), z.string().max(64 * 1024));
/*
 * Members that Assay does not use are ignored, as the specification demands (OCI image-spec 1.1,
 * considerations.md, "Extensibility"): among them the inlined `data` of a descriptor and its `urls`. A
 * blob is fetched from the hub and verified.
 */
const descriptor = z.object({
  mediaType: z.string().min(1).max(255),
  digest: digestSchema,
  size: z.int().min(0),
  annotations: annotations.optional(),
});
const schema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.literal(MANIFEST_TYPE),
  artifactType: z.literal(ARTIFACT_TYPE),
  config: descriptor,
  layers: z.array(descriptor).min(1).max(MAX_LAYERS),
  annotations: annotations.optional(),
});

/** A blob by digest and size (OCI image-spec 1.1, descriptor.md). */
export type Descriptor = z.infer<typeof descriptor>;
/** A model's manifest (OCI image-spec 1.1, manifest.md) as it was read. */
export type ImageManifest = z.infer<typeof schema>;

const EMPTY = utf8('{}');
/** The empty configuration (image-spec 1.1, "Guidance for an empty descriptor") and its content. */
export const EMPTY_CONFIG: { readonly descriptor: Descriptor; readonly bytes: Uint8Array } = {
  descriptor: { mediaType: EMPTY_TYPE, digest: digestOf(EMPTY), size: EMPTY.length },
  bytes: EMPTY,
};

const kind = z.looseObject({
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: z.looseObject({ mediaType: z.string().optional() }).optional(),
});

/**
 * Parses the manifest of a model.
 * @throws AssayError HUB_MANIFEST for what is not a manifest, HUB_NOT_A_MODEL for another artifact's.
 */
export function parseManifest(bytes: Uint8Array): ImageManifest {
  const json = parseStrictJson(bytes, 'the manifest', 'HUB_MANIFEST');
  const seen = kind.safeParse(json).data;
  if (seen !== undefined && seen.artifactType !== ARTIFACT_TYPE) {
    const actual = seen.artifactType ?? seen.config?.mediaType ?? seen.mediaType ?? 'none';
    throw new AssayError(
      'HUB_NOT_A_MODEL',
      `expected an artifact of type ${ARTIFACT_TYPE}, not ${JSON.stringify(actual.slice(0, 200))}`,
    );
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    throw schemaError('HUB_MANIFEST', 'expected an OCI image manifest', parsed.error);
  }
  return parsed.data;
}

/**
 * The bytes of a manifest: members in the order of the specification, no time, so that the same
 * package has the same digest wherever it is pushed from.
 */
export function encodeManifest(
  layers: readonly Descriptor[],
  annotations: { readonly [name: string]: string },
): Uint8Array {
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: ARTIFACT_TYPE,
    config: EMPTY_CONFIG.descriptor,
    layers: [...layers],
    annotations: { ...annotations },
  };
  return utf8(JSON.stringify(manifest));
}
