import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import {
  Client,
  credentials,
  Server,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import descriptor, {
  type IDescriptorProto,
  type IFileDescriptorProto,
} from 'protobufjs/ext/descriptor/index.js';
import { loadInference } from '../../../src/server/protocol.js';
import { addReflection } from '../../../src/server/reflection.js';
import { startTestServer } from '../../forge/inference-server.js';
import { askReflection, type ReflectionAnswer } from '../../forge/reflection.js';
import { quiet, SlowCall } from '../../forge/slow-call.js';

const server = await startTestServer({ models: {} });
const client = new Client(
  `localhost:${server.port}`,
  credentials.createSsl(Buffer.from(server.certificatePem)),
);
after(() => client.close());
const ask = (question: object): Promise<ReflectionAnswer> => askReflection(client, question);

/** The rule of descriptor.proto for map fields: the entry type is nested and called `FieldNameEntry`. */
function assertMapEntries(message: IDescriptorProto): number {
  let maps = 0;
  for (const nested of message.nestedType ?? []) {
    maps += assertMapEntries(nested);
    if (nested.options?.mapEntry !== true) continue;
    maps += 1;
    const field = message.field?.find(({ typeName }) => typeName === nested.name);
    const words = (field?.name ?? '').split('_').filter((word) => word !== '');
    const camel = words.map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`).join('');
    assert.equal(nested.name, `${camel}Entry`);
  }
  return maps;
}

test('reflection lists the services, health among them', async () => {
  const { list_services_response } = await ask({ list_services: '' });
  assert.deepEqual(list_services_response?.service.map(({ name }) => name).sort(), [
    'grpc.health.v1.Health',
    'inference.GRPCInferenceService',
  ]);
});

test('reflected files name the entries of maps as strict readers demand', async () => {
  const answer = await ask({ file_containing_symbol: 'inference.GRPCInferenceService' });
  const files = answer.file_descriptor_response?.file_descriptor_proto ?? [];
  assert.ok(files.length > 0, answer.error_response?.error_message);
  let maps = 0;
  for (const file of files) {
    const { messageType } = descriptor.FileDescriptorProto.decode(file) as IFileDescriptorProto;
    for (const message of messageType ?? []) maps += assertMapEntries(message);
  }
  assert.ok(maps >= 2, 'the inference service has maps of parameters');
});

class CapturingServer extends Server {
  readonly captured = new Map<string, (call: SlowCall<object>) => void>();

  override addService(definition: ServiceDefinition, handlers: UntypedServiceImplementation): void {
    for (const [name, { path }] of Object.entries(definition)) {
      this.captured.set(path, handlers[name] as unknown as (call: SlowCall<object>) => void);
    }
  }
}

for (const version of ['v1', 'v1alpha']) {
  test(`reflection ${version} does not read from a caller who takes no answers, who misses none once it does`, async () => {
    const capturing = new CapturingServer();
    addReflection(capturing, [loadInference()]);
    const call = new SlowCall<object>();
    capturing.captured.get(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`)?.(
      call,
    );
    for (let i = 0; i < 1000; i++) call.push({ messageRequest: 'listServices', listServices: '' });
    call.push(null);
    const written = await quiet(() => call.writableLength);
    assert.ok(written > 0 && written < 50, `${written} answers wait for a caller who took none`);
    const ended = once(call, 'finish');
    call.takeAll();
    await ended;
    assert.equal(call.taken.length, 1000);
  });
}

test('a question longer than any name is not answered', async () => {
  await ask({ file_containing_symbol: 'x'.repeat(4000) });
  await assert.rejects(ask({ file_containing_symbol: 'x'.repeat(4094) }), {
    code: status.INTERNAL,
  });
});
