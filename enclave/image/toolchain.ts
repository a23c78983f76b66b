import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { file, type ImageFile } from './files.js';
import type { PackageRoots } from './packages.js';
import { type Command, run } from './run.js';

/*
 * Programs of pinned packages, run from where these are unpacked by the pinned loader on the pinned
 * libraries: of the build machine its kernel alone has a part in what they write, and no privileges are asked for.
 */

/** Where Debian's packages have shared libraries, from the root or from /usr. */
export const LIBRARY_FOLDER = 'lib/x86_64-linux-gnu';
export const LOADER = 'ld-linux-x86-64.so.2';
const GCC = 'gcc/x86_64-linux-gnu/14';

/** Where a package is unpacked. Throws CONFIG_IMAGE where none of this name is pinned. */
export function rootOf(packages: PackageRoots, name: string): string {
  const path = packages.get(name);
  if (path !== undefined) return path;
  throw new AssayError('CONFIG_IMAGE', `packages.json does not pin ${name}`);
}

export const librariesOf = (packages: PackageRoots, name: string): string =>
  join(rootOf(packages, name), 'usr', LIBRARY_FOLDER);

export const loaderOf = (packages: PackageRoots): string =>
  join(librariesOf(packages, 'libc6'), LOADER);

/** A program on the libraries of these packages. */
export function commandOn(
  packages: PackageRoots,
  program: string,
  libraries: readonly string[],
): Command {
  const folders = libraries.map((name) => librariesOf(packages, name));
  return [loaderOf(packages), '--library-path', folders.join(':'), program];
}

export function lz4Of(packages: PackageRoots): Command {
  const program = join(rootOf(packages, 'lz4'), 'usr/bin/lz4');
  return commandOn(packages, program, ['libc6', 'liblz4-1', 'libxxhash0']);
}

const COMMON = ['libc6', 'libzstd1', 'zlib1g'];
const BINUTILS = [...COMMON, 'libbinutils', 'libctf0', 'libjansson4', 'libsframe1'];
const COMPILER = [...COMMON, 'libgmp10', 'libisl23', 'libmpc3', 'libmpfr6'];

function binutil(packages: PackageRoots, name: string): Command {
  const folder = join(rootOf(packages, 'binutils-x86-64-linux-gnu'), 'usr/bin');
  return commandOn(packages, join(folder, `x86_64-linux-gnu-${name}`), BINUTILS);
}

function compilerOf(packages: PackageRoots): Command {
  const program = join(rootOf(packages, 'cpp-14-x86-64-linux-gnu'), 'usr/libexec', GCC, 'cc1');
  const headers = [
    join(rootOf(packages, 'libgcc-14-dev'), 'usr/lib', GCC, 'include'),
    ...['libc6-dev', 'linux-libc-dev'].flatMap((name) =>
      ['usr/include/x86_64-linux-gnu', 'usr/include'].map((path) =>
        join(rootOf(packages, name), path),
      ),
    ),
  ];
  return [
    ...commandOn(packages, program, COMPILER),
    ...['-quiet', '-nostdinc', ...headers.flatMap((path) => ['-isystem', path])],
    ...['-march=x86-64', '-mtune=generic', '-fasynchronous-unwind-tables'],
  ];
}

/** What the linker is given for a static program of these objects, as GCC's driver does. */
function linked(packages: PackageRoots, objects: readonly string[]): string[] {
  const gcc = join(rootOf(packages, 'libgcc-14-dev'), 'usr/lib', GCC);
  const libc = librariesOf(packages, 'libc6-dev');
  return [
    ...['-m', 'elf_x86_64', '--hash-style=gnu', '--as-needed', '--build-id=none', '-static', '-s'],
    ...[join(libc, 'crt1.o'), join(libc, 'crti.o'), join(gcc, 'crtbeginT.o'), ...objects],
    ...['-L', gcc, '-L', libc, '--start-group', '-lgcc', '-lgcc_eh', '-lc', '--end-group'],
    ...[join(gcc, 'crtend.o'), join(libc, 'crtn.o')],
  ];
}

/**
 * Compiles every C file of a folder into init: static, stripped, without build id or paths. Objects and
 * program are left in `directory`. Throws CONFIG_IMAGE.
 */
export async function compileInit(
  packages: PackageRoots,
  sources: string,
  directory: string,
): Promise<ImageFile> {
  const output = join(directory, 'init');
  const objects: string[] = [];
  const names = (await readdir(sources)).filter((name) => name.endsWith('.c')).sort();
  for (const name of names) {
    const object = join(directory, `${basename(name, '.c')}.o`);
    const assembly = await run(
      compilerOf(packages),
      [
        ...['-std=gnu17', '-Wall', '-Wextra', '-Werror', '-Os'],
        ...['-fstack-protector-strong', '-D_FORTIFY_SOURCE=2', '-o', '-', name],
      ],
      { cwd: sources },
    );
    await run(binutil(packages, 'as'), ['--64', '-o', object, '-'], { input: assembly });
    objects.push(object);
  }
  await run(binutil(packages, 'ld'), ['-o', output, ...linked(packages, objects)]);
  return file(output, '/init', true);
}
