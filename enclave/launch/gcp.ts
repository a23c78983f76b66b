import { type Deployment, refuseHostMembers, required } from './deployment.js';
import { renderHcl, requiredProviders } from './hcl.js';
import type { LaunchFile, LaunchPlan } from './plan.js';
import { shellCommand, shellScript } from './shell.js';

const NOTE = [
  'Google sets neither HOST_DATA nor MRCONFIGID for its customers: the launch policy is inside the',
  'image. On TDX the image is in RTMR1 and RTMR2; on SEV-SNP MEASUREMENT covers the firmware only.',
];

type Gcp = NonNullable<Deployment['gcp']>;

/** Google Compute Engine: `gcloud` and OpenTofu. */
export function gcpFiles({ deployment }: LaunchPlan): LaunchFile[] {
  const gcp = required(deployment.gcp, 'gcp', 'Google Cloud');
  refuseHostMembers(deployment, 'Google Cloud');
  const script = shellScript(NOTE, create(deployment, gcp), allow(deployment, gcp));
  return [
    { name: 'gcp.sh', executable: true, contents: script },
    { name: 'gcp.tf', executable: false, contents: tofu(deployment, gcp) },
  ];
}

const typeOf = (tee: Deployment['tee']): string => (tee === 'tdx' ? 'TDX' : 'SEV_SNP');

function create({ name, tee }: Deployment, gcp: Gcp): string {
  const milan = tee === 'tdx' ? [] : ['--min-cpu-platform=AMD Milan'];
  return shellCommand([
    'gcloud',
    'compute',
    'instances',
    'create',
    name,
    `--project=${gcp.project}`,
    `--zone=${gcp.zone}`,
    `--machine-type=${gcp.machineType}`,
    `--confidential-compute-type=${typeOf(tee)}`,
    ...milan,
    '--maintenance-policy=TERMINATE',
    `--image=${gcp.image}`,
    `--network-interface=network=${gcp.network},subnet=${gcp.subnet},nic-type=GVNIC`,
    `--tags=${name}`,
    '--no-shielded-secure-boot',
    '--shielded-vtpm',
    '--shielded-integrity-monitoring',
    '--no-service-account',
    '--no-scopes',
    '--metadata=serial-port-enable=false,block-project-ssh-keys=true',
  ]);
}

function allow({ name, service }: Deployment, gcp: Gcp): string {
  return shellCommand([
    'gcloud',
    'compute',
    'firewall-rules',
    'create',
    `${name}-grpc`,
    `--project=${gcp.project}`,
    `--network=${gcp.network}`,
    `--allow=tcp:${service.port}`,
    `--source-ranges=${gcp.sourceRanges.join(',')}`,
    `--target-tags=${name}`,
  ]);
}

function tofu({ name, tee, service }: Deployment, gcp: Gcp): string {
  return renderHcl([
    requiredProviders({ google: { source: 'hashicorp/google', since: '6.0' } }),
    {
      words: ['resource', 'google_compute_instance', name],
      members: {
        name,
        project: gcp.project,
        zone: gcp.zone,
        machine_type: gcp.machineType,
        tags: [name],
        ...(tee === 'tdx' ? {} : { min_cpu_platform: 'AMD Milan' }),
        metadata: {
          reference: '{ "serial-port-enable" = "false", "block-project-ssh-keys" = "true" }',
        },
      },
      blocks: [
        {
          words: ['confidential_instance_config'],
          members: { enable_confidential_compute: true, confidential_instance_type: typeOf(tee) },
        },
        {
          words: ['scheduling'],
          members: { on_host_maintenance: 'TERMINATE', automatic_restart: true },
        },
        {
          words: ['boot_disk'],
          members: {},
          blocks: [{ words: ['initialize_params'], members: { image: gcp.image } }],
        },
        {
          words: ['network_interface'],
          members: { network: gcp.network, subnetwork: gcp.subnet, nic_type: 'GVNIC' },
          blocks: [{ words: ['access_config'], members: {} }],
        },
        {
          words: ['shielded_instance_config'],
          members: {
            enable_secure_boot: false,
            enable_vtpm: true,
            enable_integrity_monitoring: true,
          },
        },
      ],
    },
    {
      words: ['resource', 'google_compute_firewall', `${name}-grpc`],
      members: {
        name: `${name}-grpc`,
        project: gcp.project,
        network: gcp.network,
        source_ranges: gcp.sourceRanges,
        target_tags: [name],
      },
      blocks: [{ words: ['allow'], members: { protocol: 'tcp', ports: [String(service.port)] } }],
    },
  ]);
}
