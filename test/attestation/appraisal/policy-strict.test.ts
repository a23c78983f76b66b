import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { appraiseBundle } from '../../../attestation/appraisal/appraise.js';
import { type AppraisalPolicy, parsePolicy } from '../../../attestation/appraisal/policy.js';
import { appraiseEvidence } from '../../../attestation/appraisal/raw-evidence.js';
import { parseReferenceValues } from '../../../attestation/appraisal/reference-values.js';
import { verifySnp } from '../../../attestation/appraisal/verify-snp.js';
import { verifyTdx } from '../../../attestation/appraisal/verify-tdx.js';
import { parseLaunchPolicy } from '../../../attestation/evidence/launch-policy.js';

type Path = readonly (string | number)[];
type Members = Record<string | number, unknown>;

const digest = (bytes: number): string => 'ab'.repeat(bytes);
const tcb = { fmc: 1, bootLoader: 1, tee: 1, snp: 1, microcode: 1 };
const floors = { reported: tcb, committed: tcb, current: tcb, launch: tcb };
const until = '2027-01-01T00:00:00+01:00';

/** A policy with every member that there is. */
const POLICY = {
  version: 1,
  snp: {
    measurements: [digest(48)],
    hostData: [digest(32)],
    reportData: [digest(64)],
    familyIds: [digest(16)],
    imageIds: [digest(16)],
    reportIds: [digest(32)],
    reportIdsMa: [digest(32)],
    idKeyDigests: [digest(48)],
    authorKeyDigests: [digest(48)],
    requireAuthorKey: true,
    chipIds: [digest(64)],
    products: ['Milan', 'Genoa', 'Turin', 'Venice'],
    signingKeys: ['VCEK', 'VLEK'],
    cspIds: ['CN=csp.example'],
    vmpl: [0, 3],
    guestPolicy: {
      require: ['SMT'],
      forbid: ['DEBUG'],
      allowDebug: true,
      allowMigration: true,
      allowCxl: true,
      minimumAbi: { major: 255, minor: 255 },
    },
    platformInfo: { require: ['SMT_EN'], forbid: ['TIO_EN'], allowUnknownBits: true },
    minimumTcb: { Milan: floors, Genoa: floors, Turin: floors, Venice: floors },
    minimumFirmware: { major: 255, minor: 255, build: 255 },
    minimumGuestSvn: 0xffffffff,
    mitigations: { launch: '0x0123456789abcdef', current: '0xffffffffffffffff' },
    allowProvisionalFirmware: true,
    allowMaskedChipId: true,
    crl: 'required',
  },
  tdx: {
    mrTd: [digest(48)],
    rtmr0: [digest(48)],
    rtmr1: [digest(48)],
    rtmr2: [digest(48)],
    rtmr3: [digest(48)],
    allowUnknown: ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2'],
    mrSeam: [digest(48)],
    mrSignerSeam: [digest(48)],
    mrConfigId: [digest(48)],
    mrOwner: [digest(48)],
    mrOwnerConfig: [digest(48)],
    mrServiceTd: [digest(48)],
    deviceInfo: [digest(48)],
    reportData: [digest(64)],
    tdAttributes: [digest(8)],
    xfam: [digest(8)],
    attributes: {
      require: ['SEPT_VE_DISABLE'],
      forbid: ['PKS'],
      allowDebug: true,
      allowMigratable: true,
      allowSeptVe: true,
      allowUnknownBits: true,
    },
    tcb: {
      acceptStatuses: [
        'SWHardeningNeeded',
        { status: 'ConfigurationNeeded', until },
        { status: 'OutOfDate', until },
      ],
      acceptAdvisories: [{ id: 'INTEL-SA-00615', until }],
      minimumEvaluationDataNumber: 18,
      minimumTeeTcbSvn: digest(16),
      minimumTcbDate: until,
    },
    ppids: [digest(16)],
    fmspcs: [digest(6)],
  },
  enclave: {
    models: [
      {
        graph: digest(32),
        executions: [digest(32)],
        name: 'm'.repeat(128),
        selfTest: { vectors: digest(32), outputs: [digest(32)] },
      },
    ],
    allowUnknownModels: true,
    allowUnpinned: true,
    allowDevelopment: true,
    allowPlaintext: true,
    allowMissingEventLog: true,
    softwareVersions: ['0.1.0'],
  },
};

const REFERENCES = {
  version: 1,
  snp: {
    measurements: [digest(48)],
    hostData: [digest(32)],
    idKeyDigests: [digest(48)],
    authorKeyDigests: [digest(48)],
  },
  tdx: {
    mrTd: [digest(48)],
    rtmr1: [digest(48)],
    rtmr2: [digest(48)],
    mrConfigId: [digest(48)],
  },
  inputs: { ['n'.repeat(64)]: 't'.repeat(4096) },
};

const LAUNCH_POLICY = {
  version: 1,
  models: [
    {
      graph: digest(32),
      execution: digest(32),
      name: 'm'.repeat(128),
      selfTest: { vectors: digest(32), outputs: digest(32) },
    },
  ],
  development: true,
  plaintext: true,
};

interface Format {
  readonly parse: (value: unknown) => unknown;
  readonly code: string;
  readonly whole: object;
  /** Members that may not be left out: the end of their paths. */
  readonly needed: RegExp;
  /** Texts that say what their writer likes: as they are in a path. */
  readonly free: RegExp;
}

const FORMATS: Readonly<Record<string, Format>> = {
  'an appraisal policy': {
    parse: parsePolicy,
    code: 'POLICY_INVALID',
    whole: POLICY,
    needed:
      /^version$|(bootLoader|tee|snp\.\w+\.\w+\.\w+\.snp|microcode|minimumAbi\.\w+|minimumFirmware\.m\w+|graph|vectors|acceptStatuses\.[12]\.\w+|acceptAdvisories\.0\.\w+)$/,
    free: /(cspIds|softwareVersions|name)/,
  },
  'a file of reference values': {
    parse: parseReferenceValues,
    code: 'POLICY_REFERENCE_VALUES',
    whole: REFERENCES,
    needed: /^(version|inputs|snp\.measurements|tdx\.mrTd)$/,
    free: /inputs/,
  },
  'a launch policy': {
    parse: parseLaunchPolicy,
    code: 'LAUNCH_POLICY_FILE',
    whole: LAUNCH_POLICY,
    needed: /^(version|models)$|graph$|vectors$/,
    free: /name/,
  },
};

/** The paths of all values in a value. */
function* pathsIn(value: unknown, path: Path = []): Generator<Path> {
  yield path;
  if (typeof value !== 'object' || value === null) return;
  const entries = Array.isArray(value) ? value.entries() : Object.entries(value);
  for (const [key, member] of entries) yield* pathsIn(member, [...path, key]);
}

function valueAt(whole: object, path: Path): unknown {
  return path.reduce<unknown>((value, key) => (value as Members)[key], whole);
}

/** A copy with another value at the path; without any where that is undefined. */
function changed(whole: object, path: Path, value: unknown): unknown {
  const copy = structuredClone(whole);
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = valueAt(copy, path.slice(0, -1)) as Members;
  if (value === undefined) delete parent[last];
  else parent[last] = value;
  return copy;
}

/** Values of the same place that are none. */
function wrongFor(value: unknown, isFree: boolean): readonly unknown[] {
  if (Array.isArray(value)) return [[], value[0], { 0: value[0] }];
  switch (typeof value) {
    case 'number':
      return [0.5, -1, String(value), 2 ** 53];
    case 'boolean':
      return [String(value), Number(value)];
    case 'string':
      return isFree
        ? [7, null]
        : ['', ` ${value}`, value.slice(1), `${value}x`, `${value}ab`, `${value}\n`, [value]];
    default:
      return [{ ...(value as object), unknown: 1 }, [], null];
  }
}

for (const [what, { parse, code, whole, needed, free }] of Object.entries(FORMATS)) {
  describe(`${what} is strict data`, () => {
    const paths = [...pathsIn(whole)];

    test('it may have every member that there is', () => {
      assert.doesNotThrow(() => parse(whole));
    });

    test('no value in it can be one of another kind', () => {
      for (const path of paths) {
        const value = valueAt(whole, path);
        for (const wrong of wrongFor(value, free.test(path.join('.')))) {
          const text = `${path.join('.')}: ${JSON.stringify(wrong).slice(0, 80)}`;
          assert.throws(() => parse(changed(whole, path, wrong)), { code }, text);
        }
      }
    });

    test('what it needs cannot be left out, and all else can', () => {
      for (const path of paths.filter((path) => typeof path.at(-1) === 'string')) {
        const text = path.join('.');
        const rest = changed(whole, path, undefined);
        if (needed.test(text)) assert.throws(() => parse(rest), { code }, text);
        else assert.doesNotThrow(() => parse(rest), text);
      }
    });
  });
}

const deep = (path: string, value: unknown): unknown => changed(POLICY, path.split('.'), value);

test('no rule of a policy can be one that asks for nothing', () => {
  for (const path of [
    'snp.guestPolicy',
    'snp.platformInfo',
    'snp.minimumTcb',
    'snp.minimumTcb.Turin',
    'snp.mitigations',
    'tdx.attributes',
    'tdx.tcb',
  ]) {
    assert.throws(() => parsePolicy(deep(path, {})), { code: 'POLICY_INVALID' }, path);
    const absent = { ...(valueAt(POLICY, path.split('.')) as object) };
    for (const name of Object.keys(absent)) Object.assign(absent, { [name]: undefined });
    assert.throws(() => parsePolicy(deep(path, absent)), { code: 'POLICY_INVALID' }, path);
  }
  assert.doesNotThrow(() => parsePolicy({ version: 1, snp: {}, tdx: {}, enclave: {} }));
});

for (const [path, most, more] of [
  ['snp.vmpl.0', 3, 4],
  ['snp.minimumTcb.Milan.reported.fmc', 255, 256],
  ['snp.minimumTcb.Milan.reported.bootLoader', 255, 256],
  ['snp.guestPolicy.minimumAbi.minor', 255, 256],
  ['snp.minimumFirmware.build', 255, 256],
  ['snp.minimumGuestSvn', 2 ** 32 - 1, 2 ** 32],
  ['snp.minimumGuestSvn', 0, -1],
  ['tdx.tcb.minimumEvaluationDataNumber', 0, -1],
  ['snp.mitigations.launch', 0, -1],
  ['snp.mitigations.launch', '0xF', '15'],
  ['snp.mitigations.launch', '0xFFFFFFFFFFFFFFFF', '0x10000000000000000'],
  ['snp.mitigations.current', 2 ** 53 - 1, 2 ** 53],
  ['enclave.models.0.name', 'n'.repeat(128), 'n'.repeat(129)],
  ['enclave.models.0.name', 'n', ''],
  ['enclave.softwareVersions.0', 'v', ''],
  ['snp.cspIds.0', 'c', ''],
] as const) {
  test(`a policy’s ${path} has its limits: ${String(more).slice(0, 20)}`, () => {
    assert.doesNotThrow(() => parsePolicy(deep(path, most)));
    assert.throws(() => parsePolicy(deep(path, more)), { code: 'POLICY_INVALID' });
  });
}

test('a policy accepts no status or time that is none, and no register that cannot be unknown', () => {
  for (const [path, wrong] of [
    ['tdx.tcb.acceptStatuses.0', 'Revoked'],
    ['tdx.tcb.acceptStatuses.1.status', 'Revoked'],
    ['tdx.tcb.acceptStatuses.1.until', '2027-02-30T00:00:00Z'],
    ['tdx.tcb.acceptAdvisories.0.until', 'forever'],
    ['tdx.tcb.acceptAdvisories.0.id', '*'],
    ['tdx.tcb.minimumTcbDate', '2024-11-13'],
    ['tdx.allowUnknown.0', 'rtmr3'],
  ] as const) {
    assert.throws(() => parsePolicy(deep(path, wrong)), { code: 'POLICY_INVALID' }, path);
  }
});

test('reference values have inputs of bounded length', () => {
  const inputs = (name: number, text: number) =>
    parseReferenceValues({ ...REFERENCES, inputs: { ['n'.repeat(name)]: 't'.repeat(text) } });
  assert.doesNotThrow(() => inputs(64, 4096));
  assert.throws(() => inputs(65, 1), { code: 'POLICY_REFERENCE_VALUES' });
  assert.throws(() => inputs(1, 4097), { code: 'POLICY_REFERENCE_VALUES' });
});

const ONE = new Uint8Array(1);
const AT = { at: new Date('2026-11-21T00:00:00Z') };

for (const [what, judge] of [
  ['appraiseBundle', appraiseBundle],
  ['appraiseEvidence', appraiseEvidence],
] as const) {
  test(`${what} holds a policy that nobody parsed to the same strictness`, async () => {
    const chips: object = { version: 1, snp: { chipId: digest(64) } };
    for (const misspelt of [chips, { ...parsePolicy(POLICY), ...chips }]) {
      const policy = misspelt as AppraisalPolicy;
      await assert.rejects(async () => judge(ONE, policy, AT), { code: 'POLICY_INVALID' });
    }
    const copied = structuredClone(parsePolicy(POLICY));
    await assert.doesNotReject(async () => judge(ONE, copied, AT));
  });
}

const MISSPELT: object = { chipId: digest(64) };

for (const [what, verify] of [
  ['verifySnp', (policy: object) => verifySnp(ONE, { certificates: [], crls: [] }, policy, AT)],
  ['verifyTdx', (policy: object) => verifyTdx(ONE, undefined, policy, AT)],
] as const) {
  test(`${what} holds a part of a policy that nobody parsed to the same strictness`, async () => {
    await assert.rejects(verify(MISSPELT), { code: 'POLICY_INVALID' });
    await assert.doesNotReject(verify({}));
  });
}

test('a parsed policy is a policy, and the same one', () => {
  assert.deepEqual(parsePolicy(parsePolicy(POLICY)), parsePolicy(POLICY));
});
