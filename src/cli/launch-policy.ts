import type { Command } from 'commander';
import { toBase64, toHex } from '../../attestation/encoding/bytes.js';
import {
  encodeLaunchPolicy,
  launchPolicyDigest,
  parseLaunchPolicy,
} from '../../attestation/evidence/launch-policy.js';
import { readDocument } from './document.js';
import type { Io } from './io.js';
import { examples, group } from './options.js';
import { section, table } from './output.js';

const FORMAT = `A launch policy, in YAML; digests are 64 hexadecimal digits:
  version: 1
  models:
    - graph: <digest>         # as \`assay inspect\` prints it
      execution: <digest>     # optional; executed in this way alone
      name: ocr               # optional; under this name, which no other graph may then have
      selfTest:               # optional; what must have been run before it is served
        vectors: <digest>     # test vectors and tolerances, as \`assay inspect\` prints them
        outputs: <digest>     # optional; the very bits that the node must compute from them
  development: false          # debugging aids
  plaintext: false            # a listener without TLS`;

async function digest(io: Io, path: string): Promise<void> {
  const policy = parseLaunchPolicy(await readDocument(io, path));
  const { hostData, mrConfigId } = launchPolicyDigest(encodeLaunchPolicy(policy));
  const forms = (bytes: Uint8Array) => ({ hex: toHex(bytes), base64: toBase64(bytes) });
  const value = { hostData: forms(hostData), mrConfigId: forms(mrConfigId) };
  const models = policy.models.map(({ graph, execution, name, selfTest }) => ({
    graph: toHex(graph),
    name: name ?? null,
    execution: execution && toHex(execution),
    vectors: selfTest === undefined ? null : toHex(selfTest.vectors),
    outputs: selfTest?.outputs ? toHex(selfTest.outputs) : null,
  }));
  const { development, plaintext } = policy;
  io.print({ ...value, models, development, plaintext }, (style) =>
    [
      section(style, 'SEV-SNP: HOST_DATA', Object.entries(value.hostData)),
      section(style, 'TDX: MRCONFIGID', Object.entries(value.mrConfigId)),
      ...models.map(({ graph, ...demands }) =>
        section(style, `Model ${graph}`, [
          ...Object.entries(demands).map(([demand, wanted]) => [demand, wanted ?? 'any']),
        ]),
      ),
      table([
        [`pins ${policy.models.length} model(s)`],
        ...(development ? [['allows DEVELOPMENT aids']] : []),
        ...(plaintext ? [['allows a PLAINTEXT listener, without TLS']] : []),
      ]),
    ].join('\n'),
  );
}

/** `assay launch-policy digest FILE`: what the host must put into HOST_DATA or MRCONFIGID. */
export function registerLaunchPolicy(program: Command, io: Io): void {
  group(program, 'launch-policy')
    .command('digest')
    .description('print the digests of a launch policy as launch commands take them')
    .argument('<file>', 'launch policy in YAML or JSON, or - for standard input')
    .addHelpText('after', `\n${FORMAT}`)
    .addHelpText('after', examples('assay launch-policy digest launch-policy.yaml'))
    .action((path: string) => digest(io, path));
}
