/* Prints the answers to the kernel probe, in hexadecimal, by output. */
import { toHex } from '../../attestation/encoding/bytes.js';
import { probeKernels } from '../../src/engine/kernel-probe.js';

process.env['ORT_DISABLE_TELEMETRY'] = '1';
const answers = [...(await probeKernels())].map(([name, data]) => [name, toHex(data)]);
process.stdout.write(JSON.stringify(Object.fromEntries(answers)));
