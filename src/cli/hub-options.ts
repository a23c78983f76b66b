import type { Command } from 'commander';
import { dockerCredentials } from '../hub/credentials.js';
import type { HubOptions } from '../hub/open-hub.js';
import { parseReference, type Reference } from '../hub/reference.js';
import { UploadNotes } from '../hub/upload-notes.js';
import { cacheFolder, homeFolder } from '../system/cache-folder.js';
import type { Io, Progress } from './io.js';
import { refuseIdle } from './options.js';
import { size } from './output.js';

/** Flags of every command that reaches a registry. */
export interface HubFlags {
  readonly plainHttp?: boolean;
}

/** Adds those flags. */
export function withHubFlags(command: Command): Command {
  return command
    .option('--plain-http', 'reach the registry without TLS (this machine: the default)')
    .option('--no-plain-http', 'reach a registry on this machine with TLS');
}

/** The hub that a command with these flags is for. Throws HUB_REFERENCE; USAGE_OPTION for a folder's. */
export function hubReference(text: string, flags: HubFlags): Reference {
  const reference = parseReference(text);
  if (reference.kind === 'directory') refuseIdle(flags, ['plainHttp'], 'with ocidir://');
  return reference;
}

/** Options for the hub: Docker's credentials, notes of unfinished uploads, progress on a terminal. */
export function hubOptions(io: Io, flags: HubFlags, progress?: Progress): HubOptions {
  const { env } = io.call;
  const done = new Map<string, number>();
  const total = new Map<string, number>();
  const sum = (sizes: ReadonlyMap<string, number>): number =>
    [...sizes.values()].reduce((all, one) => all + one, 0);
  return {
    credentials: dockerCredentials(env, homeFolder),
    uploads: new UploadNotes(() => cacheFolder(env, 'uploads')),
    ...(flags.plainHttp === undefined ? {} : { plainHttp: flags.plainHttp }),
    ...(progress === undefined
      ? {}
      : {
          onProgress: (name: string, bytes: number, of: number) => {
            done.set(name, bytes);
            total.set(name, of);
            progress.update(`${size(sum(done))} of ${size(sum(total))}, ${name}`);
          },
        }),
  };
}
