import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type Answer, openHardware, PLAYED, played } from './hardware.js';

/**
 * Runs inside the test guest, started by the test's kernel module: answers for the hardware, and
 * plays the scenarios that the host asks for over HTTP against the real kernel, with the product's
 * own driver. One request, one scenario, one JSON answer.
 */
const DEVICE = '/dev/tsm-test';
const PORT = 9000;

function encode({ error, report, auxiliary }: Answer): Buffer {
  const head = Buffer.alloc(12);
  head.writeInt32LE(error, 0);
  head.writeUInt32LE(report.length, 4);
  head.writeUInt32LE(auxiliary.length, 8);
  return Buffer.concat([head, report, auxiliary]);
}

async function answerForTheHardware(): Promise<never> {
  const sign = openHardware();
  const device = await open(DEVICE, 'r+');
  const request = Buffer.alloc(72);
  for (;;) {
    const { bytesRead } = await device.read(request, 0, request.length, null);
    if (bytesRead !== request.length) continue;
    played.requests += 1;
    const genuine = sign(Uint8Array.from(request.subarray(8)));
    const behave = played.behaviours.shift();
    await device.write(encode(behave === undefined ? genuine : await behave(genuine)));
  }
}

/** The product's driver is loaded when it is first asked for: the service is starting beside this. */
async function runScenario(name: string): Promise<unknown> {
  const { SCENARIOS } = await import('./scenarios.js');
  const scenario = SCENARIOS[name];
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  return scenario();
}

function serveScenarios(): void {
  const server = createServer((request, response) => {
    runScenario(decodeURIComponent((request.url ?? '/').slice(1))).then(
      (value) => response.end(JSON.stringify(value)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.listen(PORT, '0.0.0.0');
}

serveScenarios();
if (existsSync(`${PLAYED}/paravisor`)) await (await import('./paravisor-agent.js')).playParavisor();
await answerForTheHardware();
