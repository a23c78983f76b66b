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
export function kubernetesFiles({ deployment }: LaunchPlan): LaunchFile[] {
  const kubernetes = required(deployment.kubernetes, 'kubernetes', 'Kubernetes');
  refuseHostMembers(deployment, 'Kubernetes');
  return yamlFile('kubernetes.yaml', kubernetesManifests(kubernetes, deployment));
}

/** KServe: a runtime and a service. */
export function kserveFiles({ deployment }: LaunchPlan): LaunchFile[] {
  const kubernetes = required(deployment.kubernetes, 'kubernetes', 'KServe');
  refuseHostMembers(deployment, 'KServe');
  return yamlFile('kserve.yaml', kserveManifests(kubernetes, deployment));
}
