import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { GATEWAY, readAsked, SEGMENTS } from './dhcp.js';

/**
 * A segment with DHCP servers, in the network namespace that this process was started in: starts the
 * client, gives it the segment's other end, and prints the address that a host beyond the gateway hears
 * from. `node dhcp-segment.js CLIENT SEGMENT`
 */
const BEYOND = '198.51.100.1';
const ip = (...words: readonly string[]): void => {
  execFileSync('ip', words, { stdio: 'inherit' });
};

async function listen(port: number, address?: string): Promise<Socket> {
  const socket = createSocket('udp4').bind(port, address);
  await once(socket, 'listening');
  return socket;
}

const [client = '', name = ''] = process.argv.slice(2);
const segment = SEGMENTS[name];
assert.ok(segment, `there is no segment ${name}`);
ip('link', 'add', 'host0', 'type', 'veth', 'peer', 'name', 'guest0');
for (const [device, address] of [
  ['host0', `${GATEWAY}/24`],
  ['lo', `${BEYOND}/32`],
] as const) {
  ip('address', 'add', address, 'dev', device);
  ip('link', 'set', device, 'up');
}
ip('route', 'add', 'default', 'dev', 'host0');

const server = await listen(67);
server.setBroadcast(true);
let discovers: readonly Buffer[] = [];
server.on('message', (message) => {
  const asked = readAsked(message, discovers);
  discovers = asked.discovers;
  for (const datagram of segment(asked)) server.send(datagram, 68, '255.255.255.255');
});
const beyond = await listen(9, BEYOND);
const heard = once(beyond, 'message');

const guest = spawn(client, { stdio: ['ignore', 'pipe', 'inherit'] });
const ended = once(guest, 'exit');
await once(guest.stdout, 'data');
ip('link', 'set', 'guest0', 'netns', String(guest.pid));
const [code] = await ended;
assert.equal(code, 0, 'the client failed');
const [, from] = (await heard) as [Buffer, { readonly address: string }];
console.log(from.address);
server.close();
beyond.close();
