import { type Command, Option } from 'commander';
import {
  parseReferenceValues,
  type ReferenceValues,
} from '../../attestation/appraisal/reference-values.js';
import { toBase64, toHex } from '../../attestation/encoding/bytes.js';
import { CPU_TYPES } from '../../enclave/measurement/cpu-type.js';
import { differences, explainDifference } from '../../enclave/measurement/explain.js';
import { readDocument } from './document.js';
import type { Io } from './io.js';
import { parseFlags, parseHexOf, parseProcessors, parseSignature } from './launch-input.js';
import type { LaunchOptions } from './launch-options.js';
import { launchOutcome } from './launch-outcome.js';
import { examples, group, parseCount } from './options.js';
import { section } from './output.js';
import { writeOutput } from './output-files.js';

async function measureLaunch(io: Io, options: LaunchOptions): Promise<void> {
  const {
    reference,
    rows,
    idBlock,
    events = [],
    notComputed = [],
    notes = [],
  } = await launchOutcome(io, options);
  if (options.output !== undefined) {
    await writeOutput(options.output, `${JSON.stringify(reference, null, 2)}\n`);
  }
  const block = idBlock && {
    idBlock: toBase64(idBlock.idBlock),
    idAuth: toBase64(idBlock.idAuth),
  };
  const log = events.map(({ register, what, digest }) => ({
    register: `RTMR${register}`,
    what,
    digest: toHex(digest),
  }));
  const open = notComputed.map(([register, why]) => ({ register, why }));
  const shown = {
    ...reference,
    ...(block && { launch: block }),
    events: log,
    notComputed: open,
    notes: notes.map(([what, note]) => ({ what, note })),
  };
  io.print(shown, (style) =>
    [
      section(style, 'Expected', rows),
      section(style, 'To know', notes),
      section(style, 'Not computed', notComputed),
      section(
        style,
        'Events',
        log.map(({ register, what, digest }) => [register, digest, what]),
      ),
      section(style, 'Inputs', Object.entries(reference.inputs)),
      section(style, 'ID block for the launch command (base64)', Object.entries(block ?? {})),
    ]
      .filter((text) => text !== '')
      .join('\n'),
  );
}

/** Every expected value by its name, such as `snp.measurements`. */
function valuesOf({ snp, tdx }: ReferenceValues): Record<string, string> {
  const sets = Object.entries({ snp, tdx }).flatMap(([tee, values]) =>
    Object.entries(values ?? {}).map(([name, set = []]) => [`${tee}.${name}`, set.join(', ')]),
  );
  return Object.fromEntries(sets);
}

async function explain(io: Io, before: string, after: string): Promise<void> {
  const a = parseReferenceValues(await readDocument(io, before));
  const b = parseReferenceValues(await readDocument(io, after));
  const changes = explainDifference(a.inputs, b.inputs);
  const values = differences(valuesOf(a), valuesOf(b));
  const unexplained = changes.length === 0 ? ', and no input says why' : '';
  const titled = [
    ...changes.map((change) => ({
      title: `${change.input} changed: it decides ${change.decides}`,
      ...change,
    })),
    ...values.map((change) => ({
      title: `${change.name} differs${unexplained}`,
      ...change,
    })),
  ];
  const shown = {
    changes: changes.map((change) => ({ ...change })),
    values: values.map((change) => ({ ...change })),
  };
  io.print(shown, (style) =>
    titled.length === 0
      ? 'The inputs are the same, and so are the expected values.'
      : titled
          .map(({ title, before: old, after: now }) =>
            section(style, title, [
              ['before', old ?? 'absent'],
              ['after', now ?? 'absent'],
            ]),
          )
          .join('\n'),
  );
}

/** `assay measure launch` and `assay measure explain`. */
export function registerMeasureLaunch(program: Command, io: Io): void {
  const measure = group(program, 'measure');
  measure
    .command('launch')
    .description('compute what the hardware will report of a guest: MEASUREMENT, or MRTD and RTMRs')
    .option('--deployment <file>', 'take everything from a deployment file; other options win')
    .addOption(new Option('--tee <kind>', 'hardware').choices(['sev-snp', 'tdx']))
    .option('--firmware <file>', 'OVMF image')
    .option('--firmware-digest <hex>', "SNP: digest after the firmware's pages", parseHexOf(48))
    .option('--kernel <file>', 'kernel that the host loads')
    .option('--initrd <file>', 'initrd that the host loads')
    .option('--command-line <text>', 'kernel command line')
    .option('--uki <file>', 'TDX: unified kernel image that the firmware starts')
    .option('--disk <file>', 'TDX: disk that the image is started from, for its partition table')
    .option('--processors <list>', 'SNP: numbers of vCPUs, one measurement each', parseProcessors)
    .addOption(new Option('--cpu <model>', "SNP: QEMU's -cpu").choices(CPU_TYPES))
    .option('--cpu-signature <value>', 'SNP: CPUID signature instead of --cpu', parseSignature)
    .addOption(
      new Option('--vmm <name>', 'SNP: machine monitor (qemu)').choices([
        'qemu',
        'qemu-before-6.10',
        'ec2',
        'gce',
      ]),
    )
    .option('--features <flags>', 'SNP: SEV_FEATURES (0x1)', parseFlags)
    .option('--launch-policy <file>', 'launch policy, for HOST_DATA or MRCONFIGID')
    .option('--id-key <pem>', 'SNP: sign an ID block with this P-384 key')
    .option('--author-key <pem>', 'SNP: sign the ID key with this P-384 key')
    .option('--guest-policy <flags>', 'SNP: guest policy in the ID block (0x30000)', parseFlags)
    .option('--guest-svn <number>', 'SNP: guest SVN in the ID block (0)', parseCount)
    .option('--family-id <hex>', 'SNP: FAMILY_ID in the ID block (zeros)', parseHexOf(16))
    .option('--image-id <hex>', 'SNP: IMAGE_ID in the ID block (zeros)', parseHexOf(16))
    .option('--output <file>', 'write reference values that a policy can include')
    .addHelpText(
      'after',
      examples(
        'assay measure launch --deployment deployment.yaml --output reference.json',
        'assay measure launch --tee sev-snp --firmware OVMF.amdsev.fd --kernel vmlinuz --initrd initrd --command-line console=ttyS0 --cpu EPYC-v4 --processors 1,2,4',
        'assay measure launch --tee tdx --firmware OVMF.fd --uki assay.efi --disk disk.raw',
      ),
    )
    .action((options: LaunchOptions) => measureLaunch(io, options));
  measure
    .command('explain')
    .description('say which inputs and expected values differ between two reference-values files')
    .argument('<before>', 'reference values')
    .argument('<after>', 'reference values')
    .addHelpText('after', examples('assay measure explain yesterday.json today.json'))
    .action((before: string, after: string) => explain(io, before, after));
}
