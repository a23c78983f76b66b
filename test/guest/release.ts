import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import {
  encodeLaunchPolicy,
  launchPolicyDigest,
  parseLaunchPolicy,
} from '../../attestation/evidence/launch-policy.js';
import { connect, NotAffirmedError, type Session, tensor } from '../../src/index.js';
import { repositoryRoot } from '../vectors.js';
import { type Machine, startMachine } from './machine.js';
import type { Trust } from './overlay.js';

export const image = join(repositoryRoot, 'build/image');
export const guest = join(repositoryRoot, 'build/guest');
export const MINUTES = 60_000;
/** For a machine to boot or to end: under emulation it takes half a minute, on a busy host many times that. */
export const PATIENCE = 8 * MINUTES;
/** The model of the release image, and a request for it. */
export const MODEL = 'orientation';
export const line = tensor('x', 'FP32', new Float32Array(3 * 48 * 192), [1, 3, 48, 192]);

interface Deployment {
  readonly boot: { readonly commandLine: string };
}

const deployment = parse(readFileSync(join(image, 'deployment.yaml'), 'utf8')) as Deployment;
export const { commandLine } = deployment.boot;
export const kernel = join(image, 'vmlinuz');
export const release = readFileSync(join(image, 'initrd.lz4'));
const policyFile = parseLaunchPolicy(
  parse(readFileSync(join(image, 'launch-policy.yaml'), 'utf8')),
);
const digest = launchPolicyDigest(encodeLaunchPolicy(policyFile));
/** HOST_DATA and MRCONFIGID that pin the image's launch policy. */
export const hostData = toHex(digest.hostData);
export const mrConfigId = toHex(digest.mrConfigId);
/** The models of the image, as a client's policy names them. */
export const models = policyFile.models.map(({ graph }) => ({ graph: toHex(graph) }));
/** The test's module is not signed by Debian's kernel key, which the release command line demands. */
export const unsigned = commandLine
  .replace('module.sig_enforce=1', '')
  .replace('lockdown=integrity', '');

/** The drivers that the release image loads, as its list names them. */
const drivers = readFileSync(join(image, 'contents.txt'), 'latin1')
  .split('\n')
  .flatMap((entry) => /(\/lib\/modules\/\S+\.ko)$/.exec(entry)?.slice(1, 2) ?? []);

/** What a test boots with: tsm_test asks for tsm_report, which the release list loads for sev-guest. */
export const loadOrder = ['configfs', 'tsm_report', 'failover', 'net_failover', 'virtio_net']
  .map((name) => `/lib/modules/${name}.ko`)
  .filter((path) => drivers.includes(path))
  .map((path) => `${path}\n`)
  .join('');

/** Boots the release kernel with these parts, one behind the other, as initrd. */
export async function start(
  name: string,
  parts: readonly Uint8Array[],
  text = unsigned,
  devices: readonly string[] = [],
): Promise<Machine> {
  mkdirSync(guest, { recursive: true });
  const initrd = join(guest, `${name}.initrd`);
  writeFileSync(initrd, Buffer.concat(parts));
  return startMachine(name, ['-kernel', kernel, '-initrd', initrd, '-append', text, ...devices]);
}

/** Asks for the agent's scenario; waits until the guest listens. */
export async function scenario(machine: Machine, name: string): Promise<unknown> {
  const url = `http://127.0.0.1:${machine.agentPort}/${encodeURIComponent(name)}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(2 * MINUTES) });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

/** Connects as soon as the guest answers; what refuses the evidence, or ended, is not tried again. */
export async function connectWhenReady(
  machine: Machine,
  trust: Trust,
  policy: AppraisalPolicy,
): Promise<Session> {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      const options = { ...trust, timeout: 30_000 };
      return await connect(`127.0.0.1:${machine.servicePort}`, policy, options);
    } catch (error) {
      if (error instanceof NotAffirmedError || !machine.running() || Date.now() > end) {
        throw new Error(machine.console(), { cause: error });
      }
      await new Promise((resume) => setTimeout(resume, 100));
    }
  }
}
