import { FORMATS, type Format, formatOfPath } from './formats.js';

/** What a file of a package is for; the layer's media type says it. */
export type Role = 'model' | 'external' | 'card' | 'vector' | 'tolerances' | 'asset' | 'original';

/** `artifactType` of a model's manifest (OCI image-spec 1.1, manifest.md). */
export const ARTIFACT_TYPE = 'application/vnd.assay.model.v1';
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
export const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';
const ORIGINAL_TYPE = 'application/vnd.assay.model.original.v1';

const BY_ROLE: { readonly [role in Exclude<Role, 'original'>]: string } = {
  model: 'application/vnd.assay.model.onnx.v1',
  external: 'application/vnd.assay.model.external-data.v1',
  card: 'text/markdown',
  vector: 'application/vnd.assay.model.vector.v1',
  tolerances: 'application/vnd.assay.model.tolerances.v1+json',
  asset: 'application/vnd.assay.model.asset.v1',
};

/** The media type of a file's layer. */
export function mediaTypeOf(role: Role, path: string): string {
  if (role !== 'original') return BY_ROLE[role];
  const format = formatOfPath(path);
  return format === undefined ? ORIGINAL_TYPE : `${ORIGINAL_TYPE}+${format.id}`;
}

/** The role, and for an original its format; undefined for a media type that is not Assay's. */
export function roleOf(mediaType: string): { role: Role; format?: Format } | undefined {
  for (const [role, type] of Object.entries(BY_ROLE)) {
    if (type === mediaType) return { role: role as Role };
  }
  if (mediaType === ORIGINAL_TYPE) return { role: 'original' };
  const format = FORMATS.find(({ id }) => `${ORIGINAL_TYPE}+${id}` === mediaType);
  return format === undefined ? undefined : { role: 'original', format };
}
