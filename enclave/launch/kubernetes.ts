import { stringify } from 'yaml';
import { kserveManifests, kubernetesManifests, type Manifest } from '../deploy/manifests.js';
import { refuseHostMembers, required } from './deployment.js';
import type { LaunchFile, LaunchPlan } from './plan.js';

function yamlFile(name: string, manifests: readonly Manifest[]): LaunchFile[] {
  const documents = manifests.map((manifest) =>
    stringify(manifest, { lineWidth: 0, aliasDuplicateObjects: false }),
  );
  return [{ name, executable: false, contents: documents.join('---\n') }];
}

/** Confidential Containers: a Deployment and what belongs to it. */
export function kubernetesFiles(plan: LaunchPlan): LaunchFile[] {
  const kubernetes = required(plan.deployment.kubernetes, 'kubernetes', 'Kubernetes');
  refuseHostMembers(plan.deployment, 'Kubernetes');
  return yamlFile('kubernetes.yaml', kubernetesManifests(kubernetes, plan));
}

/** KServe: a runtime and a service. */
export function kserveFiles(plan: LaunchPlan): LaunchFile[] {
  const kubernetes = required(plan.deployment.kubernetes, 'kubernetes', 'KServe');
  refuseHostMembers(plan.deployment, 'KServe');
  return yamlFile('kserve.yaml', kserveManifests(kubernetes, plan));
}
