import { AssayError } from '../../attestation/encoding/error.js';
import { type Digest, isDigest } from './digest.js';

interface Coordinate {
  readonly tag?: string;
  readonly digest?: Digest;
}

/** A repository in an OCI registry, or the registry itself where `repository` is absent. */
export interface RegistryReference extends Coordinate {
  readonly kind: 'registry';
  /** Host in lower case with an optional port. */
  readonly host: string;
  readonly repository?: string;
}

/** A directory: an OCI image layout, or a folder of such layouts. */
export interface DirectoryReference extends Coordinate {
  readonly kind: 'directory';
  readonly path: string;
}

/** Where a model is, and which one of those there. */
export type Reference = RegistryReference | DirectoryReference;

const MAX_LENGTH = 4096;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const HOST = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9a-f:.]{2,45}\\])(?::([0-9]{1,5}))?$`);
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

const REFERENCE_FORMS =
  'oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:…] or ocidir://DIRECTORY[:TAG][@sha256:…]';

function refuse(reason: string): never {
  throw new AssayError('HUB_REFERENCE', `expected ${REFERENCE_FORMS}: ${reason}`);
}

/** True for text that means a hub and not a file. */
export function isHubReference(text: string): boolean {
  return text.startsWith('oci://') || text.startsWith('ocidir://');
}

/** Takes `[:TAG][@DIGEST]` off the end. Neither has a slash: no port is taken for a tag. */
function splitCoordinate(text: string): { name: string; coordinate: Coordinate } {
  const last = text.lastIndexOf('/') + 1;
  const at = text.indexOf('@', last);
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const tagged = at < 0 ? text : text.slice(0, at);
  const colon = tagged.indexOf(':', last);
  const tag = colon < 0 ? undefined : tagged.slice(colon + 1);
  if (digest !== undefined && !isDigest(digest)) {
    return refuse('a digest is sha256: and 64 lower-case hexadecimal digits');
  }
  if (tag !== undefined && !TAG.test(tag)) {
    return refuse('a tag is at most 128 letters, digits, ".", "_" and "-"');
  }
  return {
    name: colon < 0 ? tagged : tagged.slice(0, colon),
    coordinate: {
      ...(tag === undefined ? {} : { tag }),
      ...(digest === undefined ? {} : { digest }),
    },
  };
}

function parseRegistry(rest: string): RegistryReference {
  const slash = rest.indexOf('/');
  const host = slash < 0 ? rest : rest.slice(0, slash);
  const port = HOST.exec(host);
  if (port === null || !URL.canParse(`https://${host}`)) {
    return refuse('the host is not one, or not in lower case');
  }
  if (port[1] !== undefined && (Number(port[1]) > 65535 || Number(port[1]) === 0)) {
    return refuse('a port is a number from 1 to 65535');
  }
  if (slash < 0) return { kind: 'registry', host };
  const { name, coordinate } = splitCoordinate(rest.slice(slash + 1));
  if (name.length > 255 || !REPOSITORY.test(name)) {
    return refuse('a repository is lower-case words joined by ".", "_", "-" and "/"');
  }
  return { kind: 'registry', host, repository: name, ...coordinate };
}

function parseDirectory(rest: string): DirectoryReference {
  const { name, coordinate } = splitCoordinate(rest);
  if (name === '' || name.includes('\0')) return refuse('a directory has a name');
  return { kind: 'directory', path: name, ...coordinate };
}

/**
 * Parses a reference. What it accepts, `formatReference` writes back as it was; throws
 * HUB_REFERENCE. Grammar of names and tags: OCI distribution-spec 1.1, "Pulling manifests". A
 * directory has neither `@` nor `:` after its last slash.
 */
export function parseReference(text: string): Reference {
  if (text.length > MAX_LENGTH) return refuse(`it is longer than ${MAX_LENGTH} characters`);
  if (text.startsWith('oci://')) return parseRegistry(text.slice('oci://'.length));
  if (text.startsWith('ocidir://')) return parseDirectory(text.slice('ocidir://'.length));
  return refuse('the scheme is neither oci:// nor ocidir://');
}

/** The reference without its tag and digest. */
export function placeOf(reference: Reference): string {
  if (reference.kind === 'directory') return `ocidir://${reference.path}`;
  const { host, repository } = reference;
  return repository === undefined ? `oci://${host}` : `oci://${host}/${repository}`;
}

/** The digest of a reference that is to be executed; throws HUB_UNPINNED without one. */
export function pinnedDigest(reference: Reference): Digest {
  const { digest } = reference;
  if (digest !== undefined) return digest;
  throw new AssayError(
    'HUB_UNPINNED',
    `expected a digest after ${formatReference(reference)}: a tag can be moved (assay hub show prints it)`,
  );
}

/** The inverse of `parseReference`. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${placeOf(reference)}${tag}${digest}`;
}
