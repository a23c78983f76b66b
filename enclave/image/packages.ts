import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { AssayError } from '../../attestation/encoding/error.js';
import { run } from './run.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const pinsSchema = z.strictObject({
  debian: z.array(
    z.strictObject({ name: z.string(), version: z.string(), suite: z.string(), sha256 }),
  ),
  npm: z.array(z.strictObject({ name: z.string(), version: z.string(), sha256 })),
});

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Unpacked packages by name, until the next call with the same folder. */
export type PackageRoots = ReadonlyMap<string, string>;

/**
 * Fetches every pinned package through apt and npm as this machine has them set up, checks its
 * SHA-256 before anything is unpacked, and unpacks it anew. Archives are kept between calls. Mirrors drop
 * old versions: the pin then has to move, in a commit. Throws CONFIG_IMAGE_MIRROR where a package cannot be
 * had, CONFIG_IMAGE where it is another than the pinned one.
 */
export async function fetchPackages(pinsFile: string, directory: string): Promise<PackageRoots> {
  const pins = pinsSchema.parse(JSON.parse(await readFile(pinsFile, 'utf8')));
  const cache = join(directory, 'cache');
  await mkdir(cache, { recursive: true });
  const missing = pins.debian.filter((pin) => !existsSync(join(cache, pin.sha256)));
  const suites = [...new Set(pins.debian.map(({ suite }) => suite))].sort();
  const apt = missing.length > 0 ? await aptOptions(suites, join(directory, 'apt')) : [];
  const roots = new Map<string, string>();
  for (const pin of pins.debian) {
    const words = [...apt, 'download', `${pin.name}=${pin.version}`];
    const archive = await verified(pin, cache, 'apt-get', words);
    roots.set(pin.name, await unpacked(directory, pin, 'dpkg-deb', (to) => ['-x', archive, to]));
  }
  for (const pin of pins.npm) {
    const words = ['pack', '--silent', '--ignore-scripts', `${pin.name}@${pin.version}`];
    const archive = await verified(pin, cache, 'npm', words);
    roots.set(pin.name, await unpacked(directory, pin, 'tar', (to) => ['-xzf', archive, '-C', to]));
  }
  return roots;
}

interface Pin {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
}

/** The archive in the cache, fetched by a program if it is not there, with the pinned digest in either case. */
async function verified(
  pin: Pin,
  cache: string,
  program: string,
  words: readonly string[],
): Promise<string> {
  const path = join(cache, pin.sha256);
  if (!existsSync(path)) {
    const into = join(cache, `fetching-${pin.sha256.slice(0, 16)}`);
    const file = await fetched(`${pin.name} ${pin.version}`, into, program, words);
    await assertDigest(file, pin);
    await rename(file, path);
    await rm(into, { recursive: true });
  }
  await assertDigest(path, pin);
  return path;
}

/** The file that a program fetches into a folder of its own. Throws CONFIG_IMAGE_MIRROR. */
async function fetched(
  what: string,
  into: string,
  program: string,
  words: readonly string[],
): Promise<string> {
  await emptyFolder(into);
  await fromMirror(what, run(program, words, { cwd: into }));
  const entries = await readdir(into, { withFileTypes: true });
  const file = entries.find((entry) => entry.isFile());
  if (file !== undefined) return join(into, file.name);
  const message = `${what} cannot be fetched: expected a file from ${program}, which left none`;
  throw new AssayError('CONFIG_IMAGE_MIRROR', message);
}

async function emptyFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true });
}

/** Mirrors drop old versions, and fail: either is no fault of what is built. */
async function fromMirror<Result>(what: string, fetching: Promise<Result>): Promise<Result> {
  return fetching.catch((cause) => {
    throw new AssayError(
      'CONFIG_IMAGE_MIRROR',
      `${what} cannot be fetched: the mirror does not answer, or no longer has it and the pin must move`,
      cause,
    );
  });
}

async function assertDigest(path: string, pin: Pin): Promise<void> {
  const digest = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  if (digest === pin.sha256) return;
  throw new AssayError(
    'CONFIG_IMAGE',
    `${pin.name} ${pin.version} has SHA-256 ${digest}, not the pinned ${pin.sha256}`,
  );
}

/** Unpacks an archive of the pinned digest: files that an earlier build unpacked nothing vouches for. */
async function unpacked(
  directory: string,
  pin: Pin,
  program: string,
  words: (to: string) => readonly string[],
): Promise<string> {
  const root = join(directory, 'root', `${pin.name}-${pin.sha256.slice(0, 16)}`);
  await emptyFolder(root);
  await run(program, words(root));
  return root;
}

/**
 * The version of a Debian package that a suite has today, unpacked; for what is compared with and
 * never shipped, so that nothing is pinned. apt checks it against the archive's signature.
 */
export async function fetchCurrent(
  name: string,
  suite: string,
  directory: string,
): Promise<string> {
  const root = join(directory, 'current', `${name}-${suite}`);
  if (existsSync(root)) return root;
  const apt = await aptOptions([suite], join(directory, `apt-${suite}`));
  const into = `${root}.partial`;
  const words = [...apt, 'download', `${name}/${suite}`];
  const archive = await fetched(`${name} of ${suite}`, into, 'apt-get', words);
  await run('dpkg-deb', ['-x', archive, join(into, 'root')]);
  await rename(join(into, 'root'), root);
  await rm(into, { recursive: true });
  return root;
}

/** A private apt state with these suites, on the mirror that this machine already uses. */
async function aptOptions(suites: readonly string[], directory: string): Promise<string[]> {
  await mkdir(join(directory, 'lists', 'partial'), { recursive: true });
  await mkdir(join(directory, 'cache', 'archives', 'partial'), { recursive: true });
  await writeFile(join(directory, 'status'), '');
  let mirror = await debianMirror();
  if (mirror === undefined) {
    await fromMirror("this machine's package index", run('apt-get', ['-q', 'update']));
    mirror = await debianMirror();
  }
  if (mirror === undefined) {
    throw new AssayError('CONFIG_IMAGE_MIRROR', 'the build needs apt with a Debian mirror');
  }
  const sources = suites.map((suite) => `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`);
  const list = join(directory, 'sources.list');
  await writeFile(list, sources.join(''));
  const options = [
    `Dir::State=${directory}`,
    `Dir::State::lists=${join(directory, 'lists')}`,
    `Dir::State::status=${join(directory, 'status')}`,
    `Dir::Cache=${join(directory, 'cache')}`,
    `Dir::Etc::sourcelist=${list}`,
    'Dir::Etc::sourceparts=/dev/null',
    'APT::Sandbox::User=root',
    'APT::Architecture=amd64',
    'Acquire::Languages=none',
    'Acquire::Retries=5',
  ].flatMap((option) => ['-o', option]);
  await fromMirror(
    `the index of ${suites.join(', ')}`,
    run('apt-get', [...options, '-q', 'update']),
  );
  return options;
}

/** The first Debian mirror among this machine's sources whose index was read. */
async function debianMirror(): Promise<string | undefined> {
  const format = '$(REPO_URI) $(ORIGIN) $(LABEL)';
  const listing = run('apt-get', ['indextargets', '--format', format]);
  const targets = await fromMirror("this machine's list of mirrors", listing);
  return targets
    .toString()
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, origin, name]) => origin === 'Debian' && name === 'Debian')?.[0];
}
