import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Where a crate is unpacked; `missing` says why it is not. */
export interface Crate {
  readonly root: string;
  readonly missing: string | false;
}

/** A crate of this version with all that is in it, as Cargo fetches it to build against. */
export function fetchCrate(name: string, version: string): Crate {
  const folder = mkdtempSync(join(tmpdir(), 'assay-crate-'));
  try {
    mkdirSync(join(folder, 'src'));
    writeFileSync(join(folder, 'src', 'lib.rs'), '');
    const dependency = `${name} = { version = "=${version}", default-features = false }`;
    writeFileSync(
      join(folder, 'Cargo.toml'),
      `[package]\nname = "fetch"\nversion = "0.0.0"\n[dependencies]\n${dependency}\n`,
    );
    const { status, stdout } = spawnSync(
      'cargo',
      ['metadata', '--format-version', '1', '--quiet'],
      { cwd: folder, timeout: 240_000, maxBuffer: 2 ** 26 },
    );
    const { packages = [] } = (status === 0 ? JSON.parse(stdout.toString()) : {}) as {
      readonly packages?: readonly { readonly name: string; readonly manifest_path: string }[];
    };
    const found = packages.find((each) => each.name === name);
    return found === undefined
      ? { root: '', missing: `there is no Cargo here that could fetch ${name}` }
      : { root: dirname(found.manifest_path), missing: false };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
