import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ImageFile } from './files.js';
import { run } from './run.js';

/** Attestation, then the network of QEMU, Google, Amazon and Azure. */
const WANTED = ['sev-guest', 'tdx-guest', 'virtio_net', 'gve', 'ena', 'hv_netvsc', 'mana'] as const;

/** A kernel and the drivers that the guest loads, in the order of their dependencies. */
export interface GuestKernel {
  readonly image: Buffer;
  readonly release: string;
  readonly files: readonly ImageFile[];
}

/** Reads Debian's kernel packages: the image, and the wanted modules with what they depend on. */
export async function readKernel(binaryRoot: string, modulesRoot: string): Promise<GuestKernel> {
  const base = join(binaryRoot, 'usr/lib/modules');
  const [release] = await readdir(base);
  if (release === undefined) throw new AssayError('CONFIG_IMAGE', 'the kernel package is empty');
  const image = await readFile(join(base, release, 'vmlinuz'));
  const modules = join(modulesRoot, 'usr/lib/modules', release, 'kernel');
  const paths = await readdir(modules, { recursive: true });
  const byName = new Map(
    paths
      .filter((path) => path.endsWith('.ko.xz'))
      .map((path) => [normal(basename(path, '.ko.xz')), join(modules, path)]),
  );
  const loaded = new Map<string, Buffer>();
  const load = async (name: string): Promise<void> => {
    if (loaded.has(name)) return;
    const path = byName.get(name);
    if (path === undefined) {
      throw new AssayError('CONFIG_IMAGE', `kernel ${release} has no module ${name}`);
    }
    const object = await run('xz', ['-dc', path]);
    for (const dependency of dependencies(object)) await load(dependency);
    loaded.set(name, object);
  };
  for (const name of WANTED) await load(normal(name));
  const files = [...loaded].map(([name, data]) => ({
    path: `/lib/modules/${name}.ko`,
    data,
    executable: false,
  }));
  const list = files.map(({ path }) => `${path}\n`).join('');
  return {
    image,
    release,
    files: [...files, { path: '/etc/modules', data: Buffer.from(list), executable: false }],
  };
}

function normal(name: string): string {
  return name.replaceAll('-', '_');
}

/** `depends=` in the module's information section. */
function dependencies(object: Buffer): string[] {
  const at = object.indexOf('\0depends=');
  if (at < 0) return [];
  const start = at + '\0depends='.length;
  const text = object.toString('latin1', start, object.indexOf(0, start));
  return text === '' ? [] : text.split(',').map(normal);
}
