import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { parseDeployment } from '../../../enclave/launch/deployment.js';
import { BASE, idBlock, SNP } from '../../forge/deployment.js';

suite('deployment file', () => {
  const kubernetes = (change: object): object => ({
    kubernetes: { ...BASE.kubernetes, ...change },
  });

  for (const [what, change] of [
    ['a name of 31 characters', { name: `a-${'1'.repeat(29)}` }],
    ['a name of one', { name: 'a' }],
    [
      'labels as Kubernetes has them',
      kubernetes({ metricsFrom: { 'example.com/a_b.C-d': 'E_f.g-1', plain: '' } }),
    ],
    ['a bridge that is called as Linux lets one be', { service: { bridge: 'br_Guests.100' } }],
    [
      'a port that is nobody else’s without a cluster',
      { service: { port: 9464 }, kubernetes: undefined },
    ],
  ] as const) {
    test(`${what} is taken`, () => {
      assert.doesNotThrow(() => parseDeployment({ ...SNP, ...change }));
    });
  }

  for (const [what, snp, policy] of [
    ['nothing of SNP', {}, 0x30000n],
    ['an ID block alone', { idBlock: idBlock(0) }, 0x30000n],
    ['a policy as YAML reads it without quotes', { policy: 0xb0000, features: 1 }, 0xb0000n],
    ['a policy with its highest bit', { policy: '0x2020000' }, 0x2020000n],
    ['a policy with all its digits', { policy: '0x00000000000B0000' }, 0xb0000n],
    ['a policy as text', { policy: '0xb0000', features: '0x1' }, 0xb0000n],
  ] as const) {
    test(`${what} is taken, and what is left out has its default`, () => {
      const { snp: read } = parseDeployment({ ...SNP, snp });
      assert.deepEqual([read.policy, read.features, read.cBitPosition], [policy, 1n, 51]);
    });
  }

  for (const [what, change] of [
    ['an unknown member', { extra: 1 }],
    ['another version', { version: 2 }],
    ['a name with a shell in it', { name: 'a;rm' }],
    ['a name that ends in a hyphen', { name: 'a-' }],
    ['a name of 32 characters', { name: 'a'.repeat(32) }],
    ['a command line with quotes', { boot: { ...BASE.boot, commandLine: "a'b" } }],
    ['a command line with a substitution', { boot: { ...BASE.boot, commandLine: '$(id)' } }],
    ['a command line with a blank at its end', { boot: { ...BASE.boot, commandLine: 'quiet ' } }],
    ['a path with a comma', { boot: { ...BASE.boot, kernel: 'a,readonly=on' } }],
    ['no processor', { machine: { processors: 0 } }],
    ['512 MiB, with which the guest does not boot', { machine: { memoryMiB: 512 } }],
    ['an unknown processor model', { machine: { cpu: 'host' } }],
    ['a guest policy without bit 17', { snp: { policy: '0x10000' } }],
    ['a guest policy with bit 26', { snp: { policy: '0x4020000' } }],
    ['a guest policy with bit 63', { snp: { policy: '0x8000000000020000' } }],
    ['a guest policy that is no integer', { snp: { policy: 196608.5 } }],
    ['a negative guest policy', { snp: { policy: -1 } }],
    ['SEV_FEATURES that no launch command sets', { snp: { features: '0x21' } }],
    ['an ID block for another guest policy', { snp: { policy: '0xb0000', idBlock: idBlock(1) } }],
    ['an ID block of version 2', { snp: { idBlock: idBlock(1, { version: 2 }) } }],
    ['an ID block of 3 bytes', { snp: { idBlock: { ...idBlock(1), block: 'AAAA' } } }],
    [
      'an authentication of 3 bytes',
      { snp: { idBlock: { ...idBlock(1), authentication: 'AQID' } } },
    ],
    ['a port that is none', { service: { port: 0 } }],
    ['a bridge with a comma', { service: { bridge: 'br0,mode=x' } }],
    ['a bridge of 16 characters', { service: { bridge: 'b'.repeat(16) } }],
    ['a container image by tag', { kubernetes: { image: 'registry.example/assay:latest' } }],
    ['metrics for every namespace', kubernetes({ metricsFrom: {} })],
    ['a label that is none', kubernetes({ metricsFrom: { 'a b': 'c' } })],
    ['a label without a name', kubernetes({ metricsFrom: { 'example.com/': 'c' } })],
    ['a label whose value is none', kubernetes({ metricsFrom: { a: '-' } })],
    ['metrics on the port of the service', kubernetes({ metricsPort: 8443 })],
    ['a subnet with an option behind it', { gcp: { ...SNP.gcp, subnet: 'x,no-address' } }],
    ['an image that no target starts', { boot: { ...BASE.boot, uki: 'assay.efi' } }],
    ['an AMI that is none', { aws: { ...SNP.aws, ami: 'ami' } }],
  ] as const) {
    test(`${what} is refused`, () => {
      assert.throws(
        () => parseDeployment({ ...SNP, ...change }),
        (error) => error instanceof AssayError && error.code === 'CONFIG_DEPLOYMENT',
      );
    });
  }

  for (const policy of ['3000', '0x3000g']) {
    test(`a guest policy of ${policy} is refused with what is expected`, () => {
      assert.throws(() => parseDeployment({ ...SNP, snp: { policy } }), {
        code: 'CONFIG_DEPLOYMENT',
        message: /expected an integer such as 0x30000/,
      });
    });
  }
});
