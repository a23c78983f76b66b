import type { Command } from 'commander';
import { examples } from './options.js';
import { requireWritable } from './output-files.js';

interface Flags {
  readonly simulatorRoot?: string;
}

/** `assay serve CONFIG`: the enclave's own command. Loads ONNX Runtime only when it runs. */
export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('measure the configured models, have them admitted, serve them with receipts')
    .argument(
      '<config>',
      'configuration file (YAML or JSON; assay.example.yaml documents each key), or a model in a hub by digest',
    )
    .option('--simulator-root <file>', "write the simulator's root certificate, for --root")
    .addHelpText(
      'after',
      examples(
        'assay serve assay.yaml',
        'ASSAY_LISTEN_PORT=9443 assay serve assay.yaml --simulator-root simulator.pem',
        'assay serve oci://registry.example/models/ocr@sha256:…',
      ),
    )
    .action(async (config: string, flags: Flags) => {
      await requireWritable([flags.simulatorRoot]);
      const { runService } = await import('../service/service.js');
      await runService(config, flags);
    });
}
