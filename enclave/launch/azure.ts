import { type Deployment, refuseHostMembers, required } from './deployment.js';
import { type HclBlock, renderHcl, requiredProviders } from './hcl.js';
import type { LaunchFile, LaunchPlan } from './plan.js';
import { shellCommand, shellScript } from './shell.js';

const NOTE = [
  "Azure's paravisor owns the hardware report and offers it through a vTPM: build the image with",
  'platform: azure-vtpm, and see docs/azure.md for what the evidence proves. az demands a key for SSH, and',
  'makes one in ~/.ssh where id_rsa.pub is not there, also for an image that is specialized and gets none.',
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
    '--generate-ssh-keys',
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

/**
 * The machine is azapi's, as Azure's own interface has it: azurerm_linux_virtual_machine wants an account to
 * create, or makes of a disk that it is given a machine of Trusted Launch, which is no confidential one.
 */
function machine(name: string, azure: Azure): HclBlock {
  const nic = { reference: `azurerm_network_interface.${name}.id` };
  const securityProfile = { object: { securityEncryptionType: 'VMGuestStateOnly' } };
  const properties = {
    hardwareProfile: { object: { vmSize: azure.size } },
    networkProfile: { object: { networkInterfaces: [{ object: { id: nic } }] } },
    securityProfile: {
      object: {
        securityType: 'ConfidentialVM',
        uefiSettings: { object: { secureBootEnabled: false, vTpmEnabled: true } },
      },
    },
    storageProfile: {
      object: {
        imageReference: { object: { id: azure.image } },
        osDisk: {
          object: {
            createOption: 'FromImage',
            deleteOption: 'Delete',
            caching: 'ReadOnly',
            managedDisk: { object: { storageAccountType: 'Premium_LRS', securityProfile } },
          },
        },
      },
    },
  };
  return {
    words: ['resource', 'azapi_resource', name],
    members: {
      type: 'Microsoft.Compute/virtualMachines@2024-07-01',
      name,
      parent_id: { reference: `data.azurerm_resource_group.${name}.id` },
      location: azure.location,
      body: { object: { properties: { object: properties } } },
    },
  };
}

function tofu(name: string, azure: Azure): string {
  return renderHcl([
    requiredProviders({
      azapi: { source: 'Azure/azapi', since: '2.0' },
      azurerm: { source: 'hashicorp/azurerm', since: '4.0' },
    }),
    { words: ['provider', 'azurerm'], members: {}, blocks: [{ words: ['features'], members: {} }] },
    {
      words: ['data', 'azurerm_resource_group', name],
      members: { name: azure.resourceGroup },
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
    machine(name, azure),
  ]);
}
