import { utf8 } from '../../attestation/encoding/bytes.js';
import { userDataOf } from '../../attestation/evidence/runtime-claims.js';
import { NvIndices } from '../../enclave/platform/tpm/nv.js';
import { runtimeClaims } from '../forge/paravisor.js';
import { ForgedTpm } from '../forge/tpm.js';
import { fuzz } from './harness.js';

const INDEX = 0x01400001;

/** Every response that the TPM gives while an index is read. */
async function responses(): Promise<Uint8Array[]> {
  const tpm = new ForgedTpm();
  tpm.indices.set(INDEX, new Uint8Array(700).fill(7));
  const given: Uint8Array[] = [];
  tpm.tamper = (response) => {
    given.push(response);
    return response;
  };
  await new NvIndices(tpm).read(INDEX);
  return given;
}

const seeds = await responses();

for (const [turn, what] of ['what an index is', 'the first part', 'the last part'].entries()) {
  fuzz({
    name: `a TPM's response: ${what}`,
    seeds: [seeds[turn] ?? new Uint8Array()],
    decode: async (bytes) => {
      const answers = seeds.with(turn, bytes);
      let asked = 0;
      const transact = async () => answers[asked++] ?? new Uint8Array();
      await new NvIndices({ transact, close: async () => undefined }).read(INDEX);
      return undefined;
    },
  });
}

fuzz({
  name: 'runtime claims',
  seeds: [utf8(runtimeClaims('ab'.repeat(64)))],
  decode: (bytes) => {
    userDataOf(bytes);
    return undefined;
  },
});
