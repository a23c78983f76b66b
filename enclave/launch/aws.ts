import { AssayError } from '../../attestation/encoding/error.js';
import { type Deployment, refuseHostMembers, required } from './deployment.js';
import { renderHcl, requiredProviders } from './hcl.js';
import type { LaunchFile, LaunchPlan } from './plan.js';
import { shellCommand, shellScript } from './shell.js';

const NOTE = [
  'Amazon signs with VLEKs, leaves HOST_DATA zero, and MEASUREMENT covers its firmware only: the',
  'report proves an SEV-SNP guest of EC2, not which image it booted.',
];

type Aws = NonNullable<Deployment['aws']>;

/** Amazon EC2: `aws` and OpenTofu. SEV-SNP only. */
export function awsFiles({ deployment }: LaunchPlan): LaunchFile[] {
  const { name, tee } = deployment;
  const aws = required(deployment.aws, 'aws', 'Amazon EC2');
  refuseHostMembers(deployment, 'Amazon EC2');
  if (tee !== 'sev-snp') {
    throw new AssayError('CONFIG_DEPLOYMENT', 'Amazon EC2 offers SEV-SNP only: set tee: sev-snp');
  }
  return [
    { name: 'aws.sh', executable: true, contents: shellScript(NOTE, create(name, aws)) },
    { name: 'aws.tf', executable: false, contents: tofu(name, aws) },
  ];
}

function create(name: string, aws: Aws): string {
  return shellCommand([
    'aws',
    'ec2',
    'run-instances',
    '--region',
    aws.region,
    '--image-id',
    aws.ami,
    '--instance-type',
    aws.instanceType,
    '--cpu-options',
    'AmdSevSnp=enabled',
    '--subnet-id',
    aws.subnet,
    '--security-group-ids',
    aws.securityGroup,
    '--metadata-options',
    'HttpEndpoint=disabled',
    '--tag-specifications',
    `ResourceType=instance,Tags=[{Key=Name,Value=${name}}]`,
  ]);
}

function tofu(name: string, aws: Aws): string {
  return renderHcl([
    requiredProviders({ aws: { source: 'hashicorp/aws', since: '5.40' } }),
    { words: ['provider', 'aws'], members: { region: aws.region } },
    {
      words: ['resource', 'aws_instance', name],
      members: {
        ami: aws.ami,
        instance_type: aws.instanceType,
        subnet_id: aws.subnet,
        vpc_security_group_ids: [aws.securityGroup],
        tags: { reference: `{ Name = ${JSON.stringify(name)} }` },
      },
      blocks: [
        { words: ['cpu_options'], members: { amd_sev_snp: 'enabled' } },
        { words: ['metadata_options'], members: { http_endpoint: 'disabled' } },
      ],
    },
  ]);
}
