import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compileBundles } from './code-cache.js';
import { file, folder, type ImageFile } from './files.js';
import { type Command, run } from './run.js';

/** Where the application lives in the guest. */
const HOME = '/app';
/** What runs there: the service, its worker threads and what they load by URL. */
const ENTRIES = [
  'src/service/guest',
  'src/engine/native-facts-thread',
  'src/engine/worker',
  'src/server/annotate',
  'src/service/measure-thread',
] as const;
/** Of these, what is compiled ahead. The worker imports, which no script can. */
const COMPILED = ['src/service/guest', 'src/server/annotate'] as const;
/** Loaded as they are: native code, and what only optional accelerations ask for. */
const EXTERNAL = ['onnxruntime-node', 'cbor-extract'] as const;
/** Makes certificates for development and tests. No image asks for it, and none has it. */
const SIMULATOR = '*/simulator/simulator.js';
/** Of node-forge, the ASN.1 codec alone is used; its ciphers and protocols stay out of the guest. */
const FORGE = `const forge = require('./node_modules/node-forge/lib/forge.js');
require('./node_modules/node-forge/lib/asn1.js');
module.exports = forge;
`;
const ORT = 'onnxruntime-node/bin/napi-v6/linux/x64';

/**
 * Bundles the compiled application with esbuild, so that a few files start in place of hundreds, compiles
 * them with the image's Node, and gathers what cannot be bundled: ONNX Runtime's CPU library and binding,
 * protocol files. Modules keep the URLs they would have unbundled, for they find other files by them.
 */
export async function bundleApplication(
  repository: string,
  directory: string,
  node: Command,
): Promise<ImageFile[]> {
  const stage = join(directory, 'stage');
  const out = join(directory, 'bundle');
  await Promise.all([stage, out].map((path) => rm(path, { recursive: true, force: true })));
  for (const room of ['attestation', 'enclave', 'src']) {
    await stageModules(join(repository, 'build', room), join(stage, 'build', room), room);
  }
  await symlink(join(repository, 'node_modules'), join(stage, 'node_modules'));
  await cp(join(repository, 'package.json'), join(stage, 'package.json'));
  await writeFile(join(stage, 'forge.cjs'), FORGE);
  await run(
    join(repository, 'node_modules/.bin/esbuild'),
    [
      ...ENTRIES.map((entry) => `build/${entry}.js`),
      '--bundle',
      '--preserve-symlinks',
      '--platform=node',
      '--target=node20',
      '--format=cjs',
      '--minify-whitespace',
      '--minify-syntax',
      '--alias:node-forge=./forge.cjs',
      '--legal-comments=none',
      '--log-level=error',
      "--banner:js='use strict';",
      ...[...EXTERNAL, SIMULATOR].map((name) => `--external:${name}`),
      '--outbase=.',
      `--outdir=${out}`,
    ],
    { cwd: stage },
  );
  await compileBundles(
    node,
    COMPILED.map((entry) => ({
      path: join(out, 'build', entry),
      guestPath: `${HOME}/build/${entry}.js`,
    })),
  );
  const modules = join(repository, 'node_modules');
  return [
    ...(await folder(out, HOME)),
    text(`${HOME}/build/package.json`, '{"type":"commonjs"}'),
    ...(await folder(join(repository, 'proto'), `${HOME}/proto`)),
    ...(await folder(join(modules, '@grpc/reflection/build/proto/grpc'), `${HOME}/proto/grpc`)),
    await file(join(repository, 'package.json'), `${HOME}/package.json`),
    ...(await nativeRuntime(modules)),
  ];
}

/** Copies compiled modules with `import.meta.url` written out as it will be in the guest. */
async function stageModules(from: string, to: string, room: string): Promise<void> {
  for (const path of await readdir(from, { recursive: true })) {
    if (!path.endsWith('.js')) continue;
    const url = JSON.stringify(`file://${HOME}/build/${room}/${path}`);
    const text = await readFile(join(from, path), 'utf8');
    await mkdir(dirname(join(to, path)), { recursive: true });
    const lines = text.split('\n').filter((line) => !line.startsWith('//# sourceMappingURL='));
    await writeFile(join(to, path), lines.join('\n').replaceAll('import.meta.url', url));
  }
}

/** Of ONNX Runtime's 288 MB, what a CPU guest on x86-64 loads. */
async function nativeRuntime(modules: string): Promise<ImageFile[]> {
  const to = `${HOME}/node_modules`;
  return [
    ...(await folder(join(modules, ORT), `${to}/${ORT}`)),
    ...(await folder(
      join(modules, 'onnxruntime-node/dist'),
      `${to}/onnxruntime-node/dist`,
      /\.js$/,
    )),
    await file(
      join(modules, 'onnxruntime-node/package.json'),
      `${to}/onnxruntime-node/package.json`,
    ),
    ...(await folder(
      join(modules, 'onnxruntime-common/dist/cjs'),
      `${to}/onnxruntime-common/dist/cjs`,
      /\.js$|package\.json$/,
    )),
    await file(
      join(modules, 'onnxruntime-common/package.json'),
      `${to}/onnxruntime-common/package.json`,
    ),
  ];
}

function text(path: string, content: string): ImageFile {
  return { path, data: Buffer.from(content), executable: false };
}
