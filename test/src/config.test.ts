import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as z from 'zod';
import { utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { loadConfig, loadLaunchPolicy, parseConfig } from '../../src/config.js';
import { parseReference } from '../../src/hub/reference.js';
import { type Config, configSchema } from '../../src/service/config-schema.js';
import { assertUndisturbed } from '../../src/service/surroundings.js';
import { dataType, encodeModel } from '../forge/onnx.js';
import type { TensorInit } from '../forge/onnx-init.js';
import { repositoryRoot } from '../vectors.js';

const WEIGHTS: TensorInit = {
  name: 'w',
  type: dataType.float,
  dims: [3000],
  floats: new Array<number>(3000).fill(0.1),
};
const minimal = { models: [{ name: 'm', path: 'm.onnx' }] };
const batched = (batching: unknown) => ({ models: [{ ...minimal.models[0], batching }] });
const example = join(repositoryRoot, 'assay.example.yaml');

/** The paths of all members that a schema has, of every alternative; a list's are those of its elements. */
function keysOf(schema: z.core.JSONSchema._JSONSchema, at = ''): string[] {
  if (typeof schema === 'boolean') return [];
  const { properties = {}, items = [], anyOf = [], oneOf = [] } = schema;
  const inside = [items, anyOf, oneOf].flat().flatMap((each) => keysOf(each, at));
  const members = Object.entries(properties).flatMap(([name, each]) => [
    `${at}${name}`,
    ...keysOf(each, `${at}${name}.`),
  ]);
  return [...members, ...inside];
}

/** The paths of the keys of a YAML file, commented ones and those in braces included. */
function shownKeys(text: string): ReadonlySet<string> {
  const paths = new Set<string>();
  const open: { readonly column: number; readonly path: string }[] = [];
  for (const line of text.split('\n')) {
    const [, indent = '', mark = '', name, rest = ''] =
      /^( *)(- |# )?([a-z]\w*):(.*)$/i.exec(line) ?? [];
    if (name === undefined) continue;
    const column = indent.length + (mark === '- ' ? 2 : 0);
    while ((open.at(-1)?.column ?? -1) >= column) open.pop();
    const path = `${open.at(-1)?.path ?? ''}${name}`;
    open.push({ column, path: `${path}.` });
    for (const key of ['', ...[...rest.matchAll(/[{,] *(\w+):/g)].map(([, key]) => `.${key}`)]) {
      paths.add(`${path}${key}`);
    }
  }
  return paths;
}

describe('configuration', () => {
  test('what it leaves out has safe defaults', () => {
    const { models, ...config } = parseConfig(minimal, {}, '/etc/assay');
    assert.deepEqual(config, {
      listen: { host: '127.0.0.1', port: 8443 },
      hosts: ['localhost', '127.0.0.1', '::1'],
      platform: { kind: 'configfs-tsm' },
      hub: { cache: '/etc/assay/hub-cache' },
      receiptLog: { retain: 1_048_576 },
      maxMessageBytes: 67_108_864,
      connections: { max: 1024, streams: 256, idleSeconds: 3600 },
      modelControl: 'none',
      drainSeconds: 30,
      logLevel: 'info',
      development: false,
    });
    assert.equal(models[0]?.path, '/etc/assay/m.onnx');
  });

  test('the example is valid, and names every key that there is', async () => {
    await loadConfig(example, {});
    const shown = shownKeys(await readFile(example, 'utf8'));
    const known = keysOf(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }));
    assert.ok(known.includes('models.batching.sweep') && known.includes('connections.idleSeconds'));
    assert.deepEqual(
      known.filter((key) => !shown.has(key)),
      [],
    );
  });

  test('the environment overrides single members', () => {
    const env = {
      ASSAY_LISTEN_PORT: '9443',
      ASSAY_LOG_LEVEL: 'warn',
      ASSAY_HOSTS: '[a.example, b.example]',
      ASSAY_WORKERS: '',
    };
    const config = parseConfig({ ...minimal, listen: { host: '::' } }, env, '/');
    assert.deepEqual(config.listen, { host: '::', port: 9443 });
    assert.equal(config.logLevel, 'warn');
    assert.deepEqual(config.hosts, ['a.example', 'b.example']);
    assert.equal(config.workers, undefined);
  });

  const texts: readonly (readonly [string, string, (config: Config) => unknown, string])[] = [
    ['ASSAY_LISTEN_HOST', '::', ({ listen }) => listen.host, '::'],
    ['ASSAY_LISTEN_HOST', '::1', ({ listen }) => listen.host, '::1'],
    ['ASSAY_METRICS_HOST', '::', ({ metrics }) => metrics?.host, '::'],
    ['ASSAY_LAUNCH_POLICY', '1.0', ({ launchPolicy }) => launchPolicy, '/1.0'],
    ['ASSAY_HUB_CACHE', '[a]', ({ hub }) => hub.cache, '/[a]'],
  ];
  for (const [name, value, read, expected] of texts) {
    test(`${name}=${value} is taken as it stands`, () => {
      assert.equal(read(parseConfig(minimal, { [name]: value }, '/')), expected);
    });
  }

  const values: readonly (readonly [string, string, (config: Config) => unknown, unknown])[] = [
    ['ASSAY_LISTEN_PORT', '1', ({ listen }) => listen.port, 1],
    ['ASSAY_METRICS_PORT', '2', ({ metrics }) => metrics?.port, 2],
    ['ASSAY_HOSTS', '[a.example]', ({ hosts }) => hosts, ['a.example']],
    ['ASSAY_PLATFORM', '{kind: azure-vtpm}', ({ platform }) => platform, { kind: 'azure-vtpm' }],
    ['ASSAY_WORKERS', '3', ({ workers }) => workers, 3],
    ['ASSAY_MEMORY_BUDGET_BYTES', '1048576', (config) => config.memoryBudgetBytes, 1_048_576],
    ['ASSAY_REQUEST_MEMORY_BYTES', '1024', (config) => config.requestMemoryBytes, 1024],
    ['ASSAY_MAX_MESSAGE_BYTES', '2048', ({ maxMessageBytes }) => maxMessageBytes, 2048],
    ['ASSAY_DRAIN_SECONDS', '0.5', ({ drainSeconds }) => drainSeconds, 0.5],
  ];
  for (const [name, value, read, expected] of values) {
    test(`${name}=${value} is read as YAML`, () => {
      const stated = { ...minimal, drainSeconds: 9 };
      assert.deepEqual(read(parseConfig(stated, { [name]: value }, '/')), expected);
    });
  }

  test('every path is relative to the configuration', () => {
    const config = parseConfig(
      {
        models: [{ name: 'm', path: 'm.onnx' }],
        platform: { kind: 'simulator', rootDirectory: 'keys' },
        launchPolicy: 'policy.yaml',
        hub: { cache: 'cache' },
        receiptLog: { directory: 'log' },
      },
      {},
      '/etc/assay',
    );
    assert.equal(config.models[0]?.path, '/etc/assay/m.onnx');
    assert.equal(
      config.platform.kind === 'simulator' && config.platform.rootDirectory,
      '/etc/assay/keys',
    );
    assert.equal(config.launchPolicy, '/etc/assay/policy.yaml');
    assert.equal(config.hub.cache, '/etc/assay/cache');
    assert.equal(config.receiptLog.directory, '/etc/assay/log');
  });

  test('a hub in a folder is relative to the configuration, one elsewhere is where it is', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const cases = [
      [`ocidir://hub@${digest}`, `ocidir:///etc/assay/hub@${digest}`],
      [`ocidir://../hub:v1@${digest}`, `ocidir:///etc/hub:v1@${digest}`],
      [`ocidir:///srv/hub@${digest}`, `ocidir:///srv/hub@${digest}`],
      [`oci://registry.example/hub@${digest}`, `oci://registry.example/hub@${digest}`],
    ] as const;
    for (const [path, expected] of cases) {
      const { models } = parseConfig({ models: [{ name: 'm', path }] }, {}, '/etc/assay');
      assert.equal(models[0]?.path, expected);
    }
    for (const [path, code] of [
      ['ocidir://hub@sha1:0', 'HUB_REFERENCE'],
      ['oci://registry.example/hub:v1', 'HUB_UNPINNED'],
    ]) {
      const broken = { models: [{ name: 'm', path }] };
      assert.throws(() => parseConfig(broken, {}, '/etc/assay'), { code });
    }
  });

  test('a reference in place of a file is the model of that name', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    for (const [path, name] of [
      [`ocidir:///srv/hub/one@${digest}`, 'one'],
      [`oci://registry.example/models/two@${digest}`, 'two'],
    ] as const) {
      const { models } = await loadConfig(path, {});
      assert.deepEqual(
        models.map((model) => [model.name, model.path]),
        [[name, path]],
      );
    }
  });

  test('a folder of versions may stand beside a version of its own path', () => {
    const models = [{ name: 'm', path: 'm', versionPolicy: { specific: [2] } }, minimal.models[0]];
    assert.equal(parseConfig({ models }, {}, '/').models.length, 2);
  });

  test('a hub below folders with "@" and ":" in their names is the one that is meant', () => {
    const digest = `sha256:${'0'.repeat(64)}` as const;
    const value = { models: [{ name: 'm', path: `ocidir://hub/m@${digest}` }] };
    const { models } = parseConfig(value, {}, '/home/ann@corp.example/v:4');
    assert.deepEqual(parseReference(models[0]?.path ?? ''), {
      kind: 'directory',
      path: '/home/ann@corp.example/v:4/hub/m',
      digest,
    });
  });

  for (const [folder, directory, path] of [
    ['/srv/ocr:v4', '/srv/ocr:v4', 'ocidir://.'],
    ['/srv/ocr:v4', '/srv/ocr:v4/node', 'ocidir://..'],
    ['/srv/ann@corp.example', '/srv/ann@corp.example', 'ocidir://.'],
  ] as const) {
    test(`a hub in ${folder}, as seen from ${directory}, is no other folder and no digest`, () => {
      const model = { name: 'm', path: `${path}@sha256:${'0'.repeat(64)}` };
      assert.throws(
        () => parseConfig({ models: [model] }, {}, directory),
        (error) =>
          error instanceof AssayError &&
          error.code === 'CONFIG_INVALID' &&
          error.message.endsWith(`not ${folder}`),
      );
    });
  }

  test('hosts are what a certificate can name', () => {
    const hosts = [
      'enclave.example',
      'Enclave-1',
      'assay_1',
      '*.example.com',
      'xn--mnchen-3ya.example',
      `${'a'.repeat(63)}.example`,
      '192.0.2.1',
      '2001:db8::1',
    ];
    assert.deepEqual(parseConfig({ ...minimal, hosts }, {}, '/').hosts, hosts);
  });

  const noHosts = [
    '',
    'enclave.example:8443',
    'https://x.example/',
    'not a host!',
    ' x.example',
    'münchen.example',
    '*',
    'a.*.example',
    '256.1.1.1',
    '[::1]',
    'fe80::1%eth0',
    'a..example',
    'x.example.',
    '-a.example',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(124)}example`,
  ];
  for (const host of noHosts) {
    test(`a certificate cannot name ${JSON.stringify(host)}`, () => {
      assert.throws(
        () => parseConfig({ ...minimal, hosts: ['localhost', host] }, {}, '/'),
        (error: AssayError) =>
          error.code === 'CONFIG_INVALID' &&
          error.message.includes('expected a DNS name such as') &&
          error.message.includes(`not ${JSON.stringify(host)}`) &&
          error.message.endsWith('at hosts[1]'),
      );
    });
  }

  test('an override that nobody reads is refused, and the nearest one named', () => {
    const misspelt = { ASSAY_MAX_MESAGE_BYTES: '1048576' };
    assert.throws(() => parseConfig(minimal, misspelt, '/'), {
      code: 'CONFIG_INVALID',
      message:
        "nothing reads the environment's ASSAY_MAX_MESAGE_BYTES; the nearest override is ASSAY_MAX_MESSAGE_BYTES",
    });
    assert.throws(() => parseConfig(minimal, { ASSAY_LISTN_PORT: '9443' }, '/'), {
      message: /the nearest override is ASSAY_LISTEN_PORT$/,
    });
    parseConfig(minimal, { ASSAY_MAX_MESAGE_BYTES: '', ASSAYER: '1' }, '/');
  });

  const origins: readonly (readonly [Record<string, string>, object, RegExp])[] = [
    [
      { ASSAY_HOSTS: 'a, b' },
      minimal,
      /^the configuration is not valid \(from ASSAY_HOSTS\): .*hosts/,
    ],
    [
      { ASSAY_LISTEN_PORT: 'many', ASSAY_PLATFORM: '{kind: sgx}', ASSAY_WORKERS: '1' },
      minimal,
      /^the configuration is not valid \(from ASSAY_LISTEN_PORT, ASSAY_PLATFORM\): /,
    ],
    [
      { ASSAY_LISTEN_PORT: '1', ASSAY_WORKERS: '1' },
      { ...minimal, debug: true, listen: { hosts: '::' } },
      /^the configuration is not valid: /,
    ],
  ];
  for (const [env, value, message] of origins) {
    test(`an error says whether it is from the environment: ${Object.values(env).join()}`, () => {
      assert.throws(() => parseConfig(value, env, '/'), { code: 'CONFIG_INVALID', message });
    });
  }

  test('what Kubernetes says of a service named assay is no override', () => {
    const links = {
      ASSAY_SERVICE_HOST: '10.0.0.11',
      ASSAY_SERVICE_PORT: '8443',
      ASSAY_SERVICE_PORT_GRPC: '8443',
      ASSAY_PORT: 'tcp://10.0.0.11:8443',
      ASSAY_PORT_8443_TCP: 'tcp://10.0.0.11:8443',
      ASSAY_PORT_8443_TCP_PROTO: 'tcp',
      ASSAY_PORT_8443_TCP_PORT: '8443',
      ASSAY_PORT_8443_TCP_ADDR: '10.0.0.11',
      ASSAY_OCR_PORT: 'tcp://10.0.0.12:8443',
    };
    assert.deepEqual(parseConfig(minimal, links, '/'), parseConfig(minimal, {}, '/'));
  });

  const versions = { versionPolicy: { latest: 1 } };
  const told: readonly (readonly [string, object, RegExp])[] = [
    [
      'a version beside a version policy',
      { models: [{ name: 'm', path: 'm', version: '7', ...versions }] },
      /changes nothing beside versionPolicy: .* at models\[0\]\.version$/,
    ],
    [
      'a version policy for a model of a hub',
      { models: [{ name: 'm', path: `oci://x.example/m@sha256:${'0'.repeat(64)}`, ...versions }] },
      /contradicts path: .* at models\[0\]\.versionPolicy$/,
    ],
    [
      'the version of a report that TDX does not have',
      { ...minimal, platform: { kind: 'simulator', tee: 'tdx', reportVersion: 5 } },
      /changes nothing with tee: tdx.* at platform\.reportVersion$/,
    ],
    [
      'the version of a report that nothing has',
      { ...minimal, platform: { kind: 'simulator', reportVersion: 4 } },
      /expected one of 3\|5 .* at platform\.reportVersion$/,
    ],
    [
      'more models than a manifest states',
      { models: Array.from({ length: 1025 }, (_, i) => ({ name: `m${i}`, path: 'm.onnx' })) },
      /<=1024 items.*at models/s,
    ],
    ...(
      [
        ['plaintext and listen', { plaintext: {}, listen: { port: 8081 } }],
        ['metrics and listen', { metrics: { port: 8443 } }],
        ['metrics and plaintext', { plaintext: { port: 9464 }, metrics: {} }],
        ['metrics of every address and listen', { metrics: { host: '0.0.0.0', port: 8443 } }],
        [
          'metrics and listen of every address',
          { metrics: { port: 8443 }, listen: { host: '::' } },
        ],
        [
          'metrics of every address and listen of every one of IPv4',
          { metrics: { host: '::', port: 8443 }, listen: { host: '0.0.0.0' } },
        ],
        [
          'metrics of one address of IPv6 and listen of every address',
          { metrics: { host: '::1', port: 8443 }, listen: { host: '::' } },
        ],
      ] as const
    ).map(
      ([both, listeners]) =>
        [
          `one port for ${both}`,
          { ...minimal, ...listeners },
          /has \w+ and \w+ listen on one port, \d+$/,
        ] as const,
    ),
  ];
  for (const [name, value, message] of told) {
    test(`${name} is refused, and the member named`, () => {
      assert.throws(() => parseConfig(value, {}, '/'), { code: 'CONFIG_INVALID', message });
    });
  }

  for (const listeners of [
    { metrics: { port: 0 }, listen: { port: 0 } },
    { metrics: { host: '10.0.0.1', port: 8443 }, listen: { host: '10.0.0.2' } },
    { metrics: { host: '::1', port: 8443 }, listen: { host: '0.0.0.0' } },
    { metrics: { host: '0.0.0.0', port: 8443 }, listen: { host: '::1' } },
  ]) {
    test(`listeners that do not collide are accepted: ${JSON.stringify(listeners)}`, () => {
      assert.deepEqual(
        parseConfig({ ...minimal, ...listeners }, {}, '/').metrics?.port,
        listeners.metrics.port,
      );
    });
  }

  for (const member of [
    ...['configfs-tsm', 'azure-vtpm', 'simulator'].map((kind) => ({ platform: { kind } })),
    ...['fatal', 'error', 'warn', 'info', 'debug', 'silent'].map((logLevel) => ({ logLevel })),
  ]) {
    test(`is accepted: ${JSON.stringify(member)}`, () => {
      assert.doesNotThrow(() => parseConfig({ ...minimal, ...member }, {}, '/'));
    });
  }

  const refused: readonly (readonly [string, unknown, Record<string, string>?])[] = [
    ['no models', {}],
    ['an empty list of models', { models: [] }],
    ['an unknown key', { ...minimal, debug: true }],
    ['an unknown key of a model', { models: [{ name: 'm', path: 'm.onnx', gpu: 1 }] }],
    ['an unknown platform', { ...minimal, platform: { kind: 'sgx' } }],
    [
      'an unknown key of a platform',
      { ...minimal, platform: { kind: 'configfs-tsm', tee: 'tdx' } },
    ],
    ['a model twice', { models: [...minimal.models, ...minimal.models] }],
    ['a name that is a path', { models: [{ name: '../m', path: 'm.onnx' }] }],
    [
      'a default priority beyond the levels',
      batched({ priorityLevels: 2, defaultPriorityLevel: 3 }),
    ],
    ['a default priority without levels', batched({ defaultPriorityLevel: 1 })],
    [
      'a preferred batch that is too large',
      batched({ maxBatchSize: 4, preferredBatchSizes: [2, 5] }),
    ],
    ['a port beyond all ports', { ...minimal, listen: { port: 65536 } }],
    ['text for a number', { ...minimal, workers: '2' }],
    ['an override that does not fit', minimal, { ASSAY_LISTEN_PORT: 'many' }],
    ['what an override does not fit into', { ...minimal, listen: 'x' }, { ASSAY_LISTEN_PORT: '1' }],
    ['a list', [minimal]],
    ['nothing', null],
  ];
  for (const [name, value, env] of refused) {
    test(`${name} is refused`, () => {
      assert.throws(() => parseConfig(value, env ?? {}, '/'), { code: 'CONFIG_INVALID' });
    });
  }
});

describe('configuration files', () => {
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'assay-config-'));
  });
  after(() => rm(directory, { recursive: true }));

  const cases: readonly (readonly [string, string, string])[] = [
    ['two keys of one name', 'models: []\nmodels: []\n', 'CONFIG_SYNTAX'],
    ['an alias', 'a: &x [1]\nmodels: *x\n', 'CONFIG_SYNTAX'],
    ['no YAML', '{models: [', 'CONFIG_SYNTAX'],
  ];
  for (const [name, text, code] of cases) {
    test(`${name}: ${code}`, async () => {
      const path = join(directory, 'assay.yaml');
      await writeFile(path, text);
      await assert.rejects(loadConfig(path, {}), { code });
      await assert.rejects(loadLaunchPolicy(path), { code });
    });
  }

  for (const [name, model] of [
    ['some', encodeModel({ graph: { nodes: [], outputs: [], initializers: [WEIGHTS] } })],
    ['no bytes that only binaries have', utf8('\b\u0001 a graph')],
    ['no characters', Uint8Array.of(0x61, 0x3a, 0xff, 0xfe)],
  ] as const) {
    test(`a model in place of it, of ${name}, is not told`, async () => {
      const path = join(directory, 'model.onnx');
      await writeFile(path, model);
      await assert.rejects(loadConfig(path, {}), {
        code: 'CONFIG_SYNTAX',
        message: `expected ${path} to be text in UTF-8: a model is named in a configuration, as assay.example.yaml shows`,
      });
      await assert.rejects(loadLaunchPolicy(path), {
        code: 'CONFIG_SYNTAX',
        message: `expected ${path} to be text in UTF-8`,
      });
    });
  }

  for (const [name, text] of [
    [
      'JSON that is indented with tabs',
      '{\n\t"models": [\n\t\t{ "name": "m", "path": "m" }\n\t]\n}\n',
    ],
    ['lines that end as on Windows', 'models:\r\n  - name: m\r\n    path: m\r\n'],
    ['a byte order mark', '\ufeffmodels: [{ name: m, path: m }]\n'],
  ] as const) {
    test(`${name} is read`, async () => {
      const path = join(directory, 'assay.yaml');
      await writeFile(path, text);
      const { models } = await loadConfig(path, {});
      assert.deepEqual(
        models.map((model) => [model.name, model.path]),
        [['m', join(directory, 'm')]],
      );
    });
  }

  test('of text that is no YAML little is told', async () => {
    const path = join(directory, 'assay.yaml');
    await writeFile(path, `models: [\n${'x\u202e'.repeat(5000)} @`);
    await assert.rejects(
      loadConfig(path, {}),
      (error) =>
        error instanceof AssayError &&
        error.code === 'CONFIG_SYNTAX' &&
        error.message.length < 400 &&
        !error.message.includes('\u202e'),
    );
  });

  test('a file that is not there', async () => {
    await assert.rejects(loadConfig(join(directory, 'none.yaml'), {}), { code: 'CONFIG_FILE' });
  });
});

describe('surroundings', () => {
  const clean = {
    env: {
      PATH: '/bin',
      NODE_ENV: 'x',
      NODE_EXTRA_CA_CERTS: '/etc/ssl/ca.pem',
      NODE_NO_WARNINGS: '1',
      NODE_DISABLE_COLORS: '1',
      NODE_DISABLE_COMPILE_CACHE: '1',
      NODE_TEST_CONTEXT: 'child-v8',
      NODE_VERSION: '20.19.0',
      NODE_NAME: 'machine-1',
      NODE_EXPORTER_SERVICE_HOST: '10.0.0.1',
      NODE_EXPORTER_PORT: 'tcp://10.0.0.1:9100',
      NODE_EXPORTER_PORT_9100_TCP_ADDR: '10.0.0.1',
      MALLOC_ARENA_MAX: '2',
      MALLOC_ARENA_TEST: '2',
      MALLOC_MMAP_MAX_: '65536',
      MALLOC_MMAP_THRESHOLD_: '131072',
      MALLOC_TOP_PAD_: '131072',
      MALLOC_TRIM_THRESHOLD_: '131072',
      ORT_DISABLE_TELEMETRY: '1',
      GRPC_PORT: '8443',
      GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: '/etc/ssl/ca.pem',
    },
    execArgv: ['--max-old-space-size=4096'],
    inspector: undefined,
  };

  test('ordinary ones are accepted', () => assertUndisturbed(clean));

  const disturbed = [
    { env: { NODE_OPTIONS: '--require=x' } },
    { env: { LD_PRELOAD: '/tmp/x.so' } },
    { env: { LD_AUDIT: '/tmp/x.so' } },
    { env: { LD_DEBUG: 'all' } },
    { env: { LD_LIBRARY_PATH: '/tmp' } },
    { env: { LD_ORIGIN_PATH: '/tmp' } },
    { env: { OPENSSL_CONF: '/tmp/x.cnf' } },
    { env: { OPENSSL_MODULES: '/tmp' } },
    { env: { GCONV_PATH: '/tmp' } },
    { env: { GLIBC_TUNABLES: 'x' } },
    { env: { LOCPATH: '/tmp' } },
    { env: { MALLOC_TRACE: '/tmp/x' } },
    { env: { NODE_PATH: '/tmp' } },
    { env: { NODE_COMPILE_CACHE: '/tmp' } },
    { env: { NODE_V8_COVERAGE: '/tmp' } },
    { env: { NODE_ICU_DATA: '/tmp' } },
    { env: { NODE_EXTRA_CA_CERTS_X: '1' } },
    { env: { NODE_A_PORT: '1' } },
    { env: { ORT_DISABLE_ALL: '1' } },
    { env: { GRPC_TRACE: 'all' } },
    { env: { GRPC_NODE_TRACE: 'all' } },
    { env: { GRPC_VERBOSITY: 'DEBUG' } },
    { env: { GRPC_NODE_VERBOSITY: 'DEBUG' } },
    { env: { GRPC_NODE_DEBUG_SEND_ERROR_DETAILS: 'true' } },
    { env: { GRPC_SSL_CIPHER_SUITES: 'NULL' } },
    { execArgv: ['--inspect=0'] },
    { execArgv: ['--inspect-brk'] },
    { execArgv: ['--require', 'x'] },
    { execArgv: ['-r', 'x'] },
    { execArgv: ['--conditions=x'] },
    { execArgv: ['-C', 'x'] },
    { execArgv: ['--openssl-config=x'] },
    { execArgv: ['--env-file=x'] },
    { execArgv: ['--import=x'] },
    { execArgv: ['--import=x--no-warnings'] },
    { execArgv: ['--no-warnings=x'] },
    { execArgv: ['--max-old-space-size=4096x'] },
    { execArgv: ['--tls-keylog=x'] },
    { execArgv: ['--experimental-config-file=x'] },
    { execArgv: ['--experimental-default-config-file'] },
    { execArgv: ['--heapsnapshot-signal=SIGUSR2'] },
    { execArgv: ['--heapsnapshot-near-heap-limit=1'] },
    { execArgv: ['--max-old-space-size=4096', '--what-a-later-version-has'] },
    { inspector: 'ws://127.0.0.1:9229' },
  ];
  for (const change of disturbed) {
    test(`${JSON.stringify(change)} is refused`, () => {
      assert.throws(() => assertUndisturbed({ ...clean, ...change }), {
        code: 'CONFIG_ENVIRONMENT',
      });
    });
  }

  test("the variable that silences ONNX Runtime's telemetry is accepted, and no longer name", () => {
    assertUndisturbed({ ...clean, env: { ORT_DISABLE_TELEMETRY: '1' } });
    const longer = { ...clean, env: { ORT_DISABLE_TELEMETRY_X: '1' } };
    assert.throws(() => assertUndisturbed(longer), { code: 'CONFIG_ENVIRONMENT' });
  });

  test('an argument that closes the inspector to signals is accepted', () => {
    assertUndisturbed({ ...clean, execArgv: ['--disable-sigusr1'] });
  });

  test('an empty variable is none', () => {
    assertUndisturbed({ ...clean, env: { NODE_OPTIONS: '' } });
  });
});
