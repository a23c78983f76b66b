import { join } from 'node:path';
import { toHex } from '../../attestation/encoding/bytes.js';
import { type BootingEnclave, bootEnclave } from '../../enclave/boot.js';
import type { IssuerOptions } from '../../enclave/issuer.js';
import type { Platform } from '../../enclave/platform/platform.js';
import type { SigningKey } from '../../enclave/signing-key.js';
import { TileFiles } from '../../enclave/tile-files.js';
import { loadLaunchPolicy } from '../config.js';
import { VERSION } from '../system/version.js';
import type { Config } from './config-schema.js';
import { describeError, type Log } from './log.js';

/** Made before the enclave boots, since the engine's threads start beside it. */
export interface OwnLog {
  readonly signing: SigningKey;
  /** `SharedRange.allocate()` */
  readonly memory: SharedArrayBuffer;
}

/** The epoch's log, with a folder of its own where the configuration names one. */
function logOptions(
  { receiptLog }: Config,
  memory: SharedArrayBuffer,
  epoch: Uint8Array,
  now: () => Date,
  log: Log,
): IssuerOptions {
  const { retain } = receiptLog;
  if (receiptLog.directory === undefined) return { memory, retain };
  const directory = join(receiptLog.directory, toHex(epoch));
  const onError = (error: unknown): void =>
    log.error({ ...describeError(error), directory }, 'the receipt log could not be written');
  const onMended = (whole: boolean): void =>
    log.warn(
      { directory },
      whole
        ? 'the receipt log is written again, and lost nothing'
        : 'the receipt log is written again, but lacks what was given up: auditors have its last head before that',
    );
  return { memory, retain, archive: new TileFiles(directory, onError, { onMended, now }) };
}

/** Boots the enclave of a configuration; rejects with CONFIG_*, LAUNCH_POLICY_* or PLATFORM_*. */
export async function boot(
  config: Config,
  platform: Platform,
  { signing, memory }: OwnLog,
  now: () => Date,
  log: Log,
): Promise<BootingEnclave> {
  return bootEnclave({
    platform,
    launchPolicy:
      config.launchPolicy === undefined ? null : await loadLaunchPolicy(config.launchPolicy),
    configuration: {
      development: config.development,
      plaintext: config.plaintext !== undefined,
    },
    software: { name: 'assay', version: VERSION },
    hosts: config.hosts,
    signing,
    log: (epoch) => logOptions(config, memory, epoch, now, log),
    now: now(),
  });
}
