import { parsePolicy } from '../../attestation/appraisal/policy.js';
import { parseReferenceValues } from '../../attestation/appraisal/reference-values.js';
import { fromBase64, fromBase64Url, fromHex, fromUtf8 } from '../../attestation/encoding/bytes.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { parseLaunchPolicy } from '../../attestation/evidence/launch-policy.js';
import { parseConfig } from '../../src/config.js';
import { fuzz } from './harness.js';

const digest = (length: number): string => 'ab'.repeat(length);
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** Each parser of data that somebody wrote, over the JSON of a file that it accepts. */
const PARSERS: readonly (readonly [name: string, seed: unknown, parse: (v: unknown) => unknown])[] =
  [
    [
      'appraisal policy',
      {
        version: 1,
        snp: { measurements: [digest(48)] },
        tdx: { mrTd: [digest(48)] },
        enclave: {
          models: [
            {
              graph: digest(32),
              executions: [digest(32)],
              name: 'm',
              selfTest: { vectors: digest(32), outputs: [digest(32)] },
            },
          ],
        },
      },
      parsePolicy,
    ],
    [
      'launch policy file',
      {
        version: 1,
        models: [
          { graph: digest(32) },
          { graph: `${digest(31)}ac`, execution: digest(32), name: 'm' },
          { graph: `${digest(31)}ad`, selfTest: { vectors: digest(32), outputs: digest(32) } },
        ],
      },
      parseLaunchPolicy,
    ],
    [
      'reference values',
      { version: 1, snp: { measurements: [digest(48)] }, inputs: { vcpus: '4' } },
      parseReferenceValues,
    ],
    [
      'configuration',
      { platform: { kind: 'simulator' }, models: [{ name: 'm', path: 'm.onnx' }] },
      (value) => parseConfig(value, {}, '/'),
    ],
  ];

for (const [name, seed, parse] of PARSERS) {
  fuzz({
    name,
    seeds: [bytesOf(seed)],
    decode: (bytes) => {
      parse(parseStrictJson(bytes, 'the file', 'POLICY_INVALID'));
      return undefined;
    },
  });
}

/** What is strict accepts nothing that JSON itself does not, and gives the same value. */
fuzz({
  name: 'strict JSON',
  seeds: [Buffer.from('{"a":[1,-2.5e3,"\\u00e9\\n",true,null,{}],"b":{"c":""}}')],
  decode: (bytes) => {
    const strict = parseStrictJson(bytes, 'the file', 'POLICY_INVALID');
    const loose: unknown = JSON.parse(fromUtf8(bytes));
    if (JSON.stringify(strict) !== JSON.stringify(loose)) throw new Error('another value');
    return undefined;
  },
});

for (const [name, seed, decode, encode] of [
  ['hexadecimal', '00ff10', fromHex, 'hex'],
  ['base64', 'AP8QAQ==', fromBase64, 'base64'],
  ['base64url', 'AP8QAQ', fromBase64Url, 'base64url'],
] as const) {
  fuzz({
    name,
    seeds: [Buffer.from(seed)],
    decode: (bytes) => {
      const text = Buffer.from(bytes).toString('latin1');
      const again = Buffer.from(decode(text)).toString(encode);
      // Hexadecimal is read in either case; the other two have one text for each value.
      return encode === 'hex' && again === text.toLowerCase() ? bytes : Buffer.from(again);
    },
  });
}
