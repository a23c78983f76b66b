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

async function digest(io: Io, path: string): Promise<void> {
  const policy = parseLaunchPolicy(await readDocument(io, path));
  const { hostData, mrConfigId } = launchPolicyDigest(encodeLaunchPolicy(policy));
  const forms = (bytes: Uint8Array) => ({ hex: toHex(bytes), base64: toBase64(bytes) });
  const value = { hostData: forms(hostData), mrConfigId: forms(mrConfigId) };
  io.print({ ...value, models: policy.models.length }, (style) =>
    [
      section(style, 'SEV-SNP: HOST_DATA', Object.entries(value.hostData)),
      section(style, 'TDX: MRCONFIGID', Object.entries(value.mrConfigId)),
      table([
        [
          `pins ${policy.models.length} model(s)${policy.development ? '; DEVELOPMENT aids allowed' : ''}`,
        ],
      ]),
    ].join('\n'),
  );
}

/** `assay launch-policy digest FILE`: what the host must put into HOST_DATA or MRCONFIGID. */
export function registerLaunchPolicy(program: Command, io: Io): void {
  group(program, 'launch-policy', 'what an enclave may serve, pinned when its VM is launched')
    .command('digest')
    .description('print the digests of a launch policy as launch commands take them')
    .argument('<file>', 'launch policy in YAML or JSON, or - for standard input')
    .addHelpText('after', examples('assay launch-policy digest launch-policy.yaml'))
    .action((path: string) => digest(io, path));
}
