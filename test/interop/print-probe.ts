/* Prints the answers to the kernel probe, in hexadecimal, by output. */
import { toHex } from '../../attestation/encoding/bytes.js';
import { probeKernels } from '../../src/engine/kernel-probe.js';

const answers = [...(await probeKernels())].map(([name, data]) => [name, toHex(data)]);
process.stdout.write(JSON.stringify(Object.fromEntries(answers)));
