import { parsePolicy } from '../../attestation/appraisal/policy.js';
import { fromUtf8, utf8 } from '../../attestation/encoding/bytes.js';
import { parseYaml } from '../../enclave/document.js';
import { parseSpecification } from '../../enclave/image/specification.js';
import { parseDeployment } from '../../enclave/launch/deployment.js';
import { parseTarget } from '../../src/client/endpoint.js';
import { readRecord } from '../../src/replay/conformance-record.js';
import { fuzz } from './harness.js';

const SPECIFICATION = `version: 1 # one
commandLine: "quiet"
hosts: [enclave.example, 192.0.2.1]
models:
  - { name: fraud, path: fraud.onnx, batching: { maxBatchSize: 8 } }
  - name: ocr
    path: 'ocr.onnx'
    selfTest: { vectors: ${'ab'.repeat(32)} }
`;

const DEPLOYMENT = `version: 1
name: assay
tee: sev-snp
launchPolicy: launch-policy.yaml
boot: { firmware: OVMF.fd, kernel: vmlinuz, initrd: initrd.lz4, commandLine: quiet }
machine: {}
snp: { policy: 0x30000 }
kubernetes:
  image: registry.example/assay@sha256:${'0a'.repeat(32)}
`;

fuzz({
  name: 'image specifications',
  seeds: [utf8(SPECIFICATION)],
  decode: (bytes) => {
    parseSpecification(fromUtf8(bytes), '/image.yaml');
    return undefined;
  },
});

fuzz({
  name: 'deployments',
  seeds: [utf8(DEPLOYMENT)],
  decode: (bytes) => {
    parseDeployment(parseYaml(fromUtf8(bytes), 'the file', 'CONFIG_DEPLOYMENT'));
    return undefined;
  },
});

fuzz({
  name: 'targets',
  seeds: [utf8('enclave.example:8443'), utf8('[2001:db8::1]:8443')],
  decode: (bytes) => {
    const { host, port } = parseTarget(fromUtf8(bytes));
    if (host === '' || !(port >= 1 && port <= 65535)) throw new Error('no address');
    return undefined;
  },
});

const policy = parsePolicy({ version: 1, enclave: { models: [{ graph: 'ab'.repeat(32) }] } });
const digest = 'ab'.repeat(32);
const NODE = { target: 'enclave.example:8443', graph: digest, execution: digest, proofs: ['AA=='] };

fuzz({
  name: 'conformance records',
  seeds: [
    utf8(
      JSON.stringify({
        version: 1,
        profile: 'urn:assay:conformance-record:1',
        nodes: [NODE, { ...NODE, proofs: ['AA==', 'AQ=='] }],
      }),
    ),
  ],
  decode: async (bytes) => {
    const asked = { name: 'm', version: undefined };
    const sets = [{ name: 'test_data_set_0', inputs: [], outputs: [] }];
    await readRecord(bytes, asked, sets, policy, { at: new Date('2026-11-21T12:00:00Z') });
    return undefined;
  },
});
