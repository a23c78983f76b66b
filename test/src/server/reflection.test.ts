import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { Client, credentials, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import descriptor, {
  type IDescriptorProto,
  type IFileDescriptorProto,
} from 'protobufjs/ext/descriptor/index.js';
import { startTestServer } from '../../forge/inference-server.js';

const require = createRequire(import.meta.url);
const protoFile = join(
  dirname(require.resolve('@grpc/reflection')),
  '../proto/grpc/reflection/v1/reflection.proto',
);
const SERVICE = 'grpc.reflection.v1.ServerReflection';

interface Answer {
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Buffer[] };
  readonly error_response?: { readonly error_message: string };
}

const server = await startTestServer({ models: {} });
const client = new Client(
  `localhost:${server.port}`,
  credentials.createSsl(Buffer.from(server.certificatePem)),
);
after(() => client.close());
const method = (loadSync(protoFile, { keepCase: true })[SERVICE] as ServiceDefinition)[
  'ServerReflectionInfo'
];

function ask(question: object): Promise<Answer> {
  assert.ok(method);
  return new Promise((resolve, reject) => {
    const call = client.makeBidiStreamRequest<object, Answer>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    );
    call.on('data', resolve);
    call.on('error', reject);
    call.write(question);
    call.end();
  });
}

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
