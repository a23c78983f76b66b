import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import * as z from 'zod';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { schemaError } from '../../attestation/encoding/schema.js';
import type { Environment } from '../system/environment.js';
import { isMissing } from '../system/errno.js';
import { readRegular } from '../system/open-regular.js';

/** What a registry knows a caller by. An identity token is exchanged at the registry's own realm. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly token: string };

/** Finds the credentials for a registry's host; undefined is anonymous. */
export type CredentialSource = (host: string) => Promise<Credentials | undefined>;

const entry = z.looseObject({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});
const schema = z.looseObject({
  auths: z.record(z.string(), entry).optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});
const helperAnswer = z.looseObject({ Username: z.string(), Secret: z.string() });

const MAX_CONFIG = 4 * 1024 * 1024;

function refuse(message: string, cause?: unknown): never {
  throw new AssayError('HUB_CREDENTIALS', message, cause);
}

/** Reads a file that the user named, which may be a pipe; rejects as `readRegular`. */
async function readNamed(path: string): Promise<Uint8Array> {
  const bytes = await buffer(createReadStream(path, { end: MAX_CONFIG }));
  if (bytes.length <= MAX_CONFIG) return bytes;
  throw new Error(`expected ${path} to have at most ${MAX_CONFIG} bytes`);
}

/**
 * Reads `$REGISTRY_AUTH_FILE` whenever that is asked for,
 * and what is no regular file once: a pipe is empty then.
 */
function readerOfNamed(path: string): () => Promise<Uint8Array> {
  let kept: Promise<Uint8Array> | undefined;
  return async () => {
    if (kept === undefined && (await stat(path)).isFile()) return readNamed(path);
    kept ??= readNamed(path);
    return kept;
  };
}

async function readConfig(
  path: string,
  read: () => Promise<Uint8Array>,
): Promise<z.infer<typeof schema> | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await read();
  } catch (error) {
    if (isMissing(error)) return undefined;
    return refuse(`cannot read ${path}`, error);
  }
  const parsed = schema.safeParse(parseStrictJson(bytes, path, 'HUB_CREDENTIALS'));
  if (parsed.success) return parsed.data;
  throw schemaError('HUB_CREDENTIALS', path, parsed.error);
}

/** Names under which a configuration may keep a registry. */
function keysOf(host: string): readonly string[] {
  const plain = [host, `https://${host}`, `https://${host}/v1/`, `https://${host}/v2/`];
  return host === 'registry-1.docker.io'
    ? [...plain, 'https://index.docker.io/v1/', 'docker.io']
    : plain;
}

function ofEntry(found: z.infer<typeof entry>): Credentials | undefined {
  if (found.identitytoken) return { kind: 'identity-token', token: found.identitytoken };
  if (found.username !== undefined && found.password !== undefined) {
    return { kind: 'password', username: found.username, password: found.password };
  }
  if (!found.auth) return undefined;
  const text = Buffer.from(found.auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1)
    return refuse('expected "auth" to be the base64 of a name, a colon and a password');
  return { kind: 'password', username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Asks `docker-credential-<name>` (docker-credential-helpers' protocol: `get`, server on stdin). */
async function ofHelper(name: string, server: string): Promise<Credentials | undefined> {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name)) return refuse('a credential helper has a plain name');
  const program = `docker-credential-${name}`;
  const output = await new Promise<string | undefined>((resolve, reject) => {
    const child = execFile(
      program,
      ['get'],
      { timeout: 30_000, maxBuffer: 64 * 1024 },
      (error, stdout) => {
        if (error === null) resolve(stdout);
        else if (/credentials not found/i.test(stdout)) resolve(undefined);
        else
          reject(
            new AssayError(
              'HUB_CREDENTIALS',
              `${program} failed`,
              new Error(error.code === undefined ? 'it was ended' : `code ${error.code}`),
            ),
          );
      },
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(server);
  });
  if (output === undefined) return undefined;
  const answer = helperAnswer.safeParse(parseStrictJson(output.trim(), program, 'HUB_CREDENTIALS'));
  if (!answer.success) return refuse(`expected ${program} to answer with Username and Secret`);
  const { Username: username, Secret: secret } = answer.data;
  return username === '<token>'
    ? { kind: 'identity-token', token: secret }
    : { kind: 'password', username, password: secret };
}

/**
 * The credentials that `docker login`, `podman login` and `oras login` keep: `$REGISTRY_AUTH_FILE`, which may be a
 * pipe, else `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`; with its credential helpers.
 * Throws HUB_CREDENTIALS for a file that is there and cannot be understood.
 * @param homeFolder asked where neither variable is set, once a registry wants credentials; may throw.
 */
export function dockerCredentials(env: Environment, homeFolder: () => string): CredentialSource {
  const named = env['REGISTRY_AUTH_FILE'];
  const readNamedFile = named ? readerOfNamed(named) : undefined;
  const kept = (): string =>
    join(env['DOCKER_CONFIG'] || join(homeFolder(), '.docker'), 'config.json');
  return async (host) => {
    const path = named || kept();
    const read = readNamedFile ?? (() => readRegular(path, MAX_CONFIG));
    const config = await readConfig(path, read);
    if (config === undefined) return undefined;
    const keys = keysOf(host);
    const key = keys.find((name) => Object.hasOwn(config.auths ?? {}, name));
    const helper = keys
      .map((name) => config.credHelpers?.[name])
      .find((name) => name !== undefined);
    const program = helper ?? config.credsStore;
    const helped = program ? await ofHelper(program, key ?? host) : undefined;
    const found = key === undefined ? undefined : config.auths?.[key];
    return helped ?? (found === undefined ? undefined : ofEntry(found));
  };
}
