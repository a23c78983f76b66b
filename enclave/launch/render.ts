import { awsFiles } from './aws.js';
import { azureFiles } from './azure.js';
import { refuseOtherHardware } from './deployment.js';
import { gcpFiles } from './gcp.js';
import { kserveFiles, kubernetesFiles } from './kubernetes.js';
import { libvirtFiles } from './libvirt.js';
import type { LaunchFile, LaunchPlan } from './plan.js';
import { qemuFiles } from './qemu.js';

const GENERATORS = {
  qemu: qemuFiles,
  libvirt: libvirtFiles,
  gcp: gcpFiles,
  aws: awsFiles,
  azure: azureFiles,
  kubernetes: kubernetesFiles,
  kserve: kserveFiles,
} as const satisfies Record<string, (plan: LaunchPlan) => LaunchFile[]>;

export type LaunchTarget = keyof typeof GENERATORS;
export const LAUNCH_TARGETS = Object.keys(GENERATORS) as readonly LaunchTarget[];

/**
 * The files that start a deployment on a target; CONFIG_DEPLOYMENT where it lacks what they need, or states
 * for network, ID block or TDX what they cannot honour.
 */
export function renderLaunch(target: LaunchTarget, plan: LaunchPlan): LaunchFile[] {
  refuseOtherHardware(plan.deployment);
  return GENERATORS[target](plan);
}
