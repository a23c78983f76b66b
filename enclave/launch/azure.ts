import { type Deployment, refuseHostMembers, required } from './deployment.js';
import { renderHcl, requiredProvider } from './hcl.js';
import type { LaunchFile, LaunchPlan } from './plan.js';
import { shellCommand, shellScript } from './shell.js';

const NOTE = [
  "Azure's paravisor owns the hardware report and offers it through a vTPM: build the image with",
  'platform: azure-vtpm, and see docs/azure.md for what the evidence proves.',
];

type Azure = NonNullable<Deployment['azure']>;

/** Azure: `az` and OpenTofu. The gallery image is specialized: it has no account to create. */
export function azureFiles({ deployment }: LaunchPlan): LaunchFile[] {
  const { name } = deployment;
  const azure = required(deployment.azure, 'azure', 'Azure');
  refuseHostMembers(deployment, 'Azure');
  return [
    { name: 'azure.sh', executable: true, contents: shellScript(NOTE, create(name, azure)) },
    { name: 'azure.tf', executable: false, contents: tofu(name, azure) },
  ];
}

function create(name: string, azure: Azure): string {
  return shellCommand([
    'az',
    'vm',
    'create',
    '--resource-group',
    azure.resourceGroup,
    '--name',
    name,
    '--location',
    azure.location,
    '--size',
    azure.size,
    '--image',
    azure.image,
    '--specialized',
    '--security-type',
    'ConfidentialVM',
    '--enable-vtpm',
    'true',
    '--enable-secure-boot',
    'false',
    '--os-disk-security-encryption-type',
    'VMGuestStateOnly',
    '--subnet',
    azure.subnet,
    '--public-ip-address',
    '',
    '--nsg',
    '',
  ]);
}

function tofu(name: string, azure: Azure): string {
  const reference = (text: string): { reference: string } => ({ reference: text });
  return renderHcl([
    requiredProvider('azurerm', 'hashicorp/azurerm', '4.21'),
    { words: ['provider', 'azurerm'], members: {}, blocks: [{ words: ['features'], members: {} }] },
    {
      words: ['resource', 'azurerm_managed_disk', name],
      members: {
        name: `${name}-os`,
        resource_group_name: azure.resourceGroup,
        location: azure.location,
        storage_account_type: 'Premium_LRS',
        create_option: 'FromImage',
        gallery_image_reference_id: azure.image,
        hyper_v_generation: 'V2',
        os_type: 'Linux',
        security_type: 'ConfidentialVM_VMGuestStateOnlyEncryptedWithPlatformKey',
      },
    },
    {
      words: ['resource', 'azurerm_network_interface', name],
      members: {
        name: `${name}-nic`,
        resource_group_name: azure.resourceGroup,
        location: azure.location,
      },
      blocks: [
        {
          words: ['ip_configuration'],
          members: {
            name: 'internal',
            subnet_id: azure.subnet,
            private_ip_address_allocation: 'Dynamic',
          },
        },
      ],
    },
    {
      words: ['resource', 'azurerm_linux_virtual_machine', name],
      members: {
        name,
        resource_group_name: azure.resourceGroup,
        location: azure.location,
        size: azure.size,
        os_managed_disk_id: reference(`azurerm_managed_disk.${name}.id`),
        network_interface_ids: [reference(`azurerm_network_interface.${name}.id`)],
        vtpm_enabled: true,
        secure_boot_enabled: false,
      },
      blocks: [
        {
          words: ['os_disk'],
          members: {
            caching: 'ReadOnly',
            storage_account_type: 'Premium_LRS',
            security_encryption_type: 'VMGuestStateOnly',
          },
        },
      ],
    },
  ]);
}
