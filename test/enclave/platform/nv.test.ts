import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { concat } from '../../../attestation/encoding/bytes.js';
import { sized, u16, u32 } from '../../../enclave/platform/tpm/command.js';
import { NvIndices } from '../../../enclave/platform/tpm/nv.js';
import { ForgedTpm, TPM_RC } from '../../forge/tpm.js';

const INDEX = 0x01400001;
const CONTENT = Uint8Array.from({ length: 600 }, (_, index) => index);

/** A response of this tag and code, whose size is right. */
const response = (tag: number, code: number, body: Uint8Array): Uint8Array =>
  concat(u16(tag), u32(10 + body.length), u32(code), body);
const isContent = (given: Uint8Array): boolean => given[1] === 2;
/** What NV_Read answers: the data, and behind it the answer of the password session. */
const contentOf = (data: Uint8Array, behind: readonly number[] = []): Uint8Array => {
  const parameters = sized(data);
  const session = Uint8Array.of(0, 0, 1, 0, 0, ...behind);
  return response(0x8002, 0, concat(u32(parameters.length), parameters, session));
};

function holding(content: Uint8Array): { readonly tpm: ForgedTpm; readonly nv: NvIndices } {
  const tpm = new ForgedTpm();
  tpm.indices.set(INDEX, content);
  return { tpm, nv: new NvIndices(tpm) };
}

suite('NV indices', () => {
  test('a content of several parts is read whole', async () => {
    assert.deepEqual(await holding(CONTENT).nv.read(INDEX), CONTENT);
  });

  test('a content as it is answered here is taken', async () => {
    const { tpm, nv } = holding(new Uint8Array(8));
    tpm.tamper = (given) => (isContent(given) ? contentOf(CONTENT.subarray(0, 8)) : given);
    assert.deepEqual(await nv.read(INDEX), CONTENT.slice(0, 8));
  });

  for (const [what, tamper] of [
    [
      'less of a content than was asked for',
      (given) => (isContent(given) ? contentOf(new Uint8Array(7)) : given),
    ],
    [
      'more behind a content than the session',
      (given) => (isContent(given) ? contentOf(new Uint8Array(8), [0]) : given),
    ],
    ['the description of another index', (given) => (isContent(given) ? given : given.with(15, 2))],
    ['a response that states another size', (given) => given.with(5, (given[5] ?? 0) + 1)],
    [
      'more than a code where it fails',
      () => response(0x8001, TPM_RC.badAuth, Uint8Array.of(0, 0)),
    ],
  ] satisfies readonly (readonly [string, ForgedTpm['tamper']])[]) {
    test(`a TPM that gives ${what} is refused`, async () => {
      const { tpm, nv } = holding(new Uint8Array(8));
      tpm.tamper = tamper;
      await assert.rejects(nv.read(INDEX), { code: 'PLATFORM_TPM_RESPONSE' });
    });
  }

  test('an index of more than 16 KiB is not read', async () => {
    const { nv } = holding(new Uint8Array(16 * 1024 + 1));
    await assert.rejects(nv.read(INDEX), { code: 'PLATFORM_TPM_RESPONSE' });
  });
});
