import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Client, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const require = createRequire(import.meta.url);
const protoFile = join(
  dirname(require.resolve('@grpc/reflection')),
  '../proto/grpc/reflection/v1/reflection.proto',
);
/** Full name. */
const REFLECTION_SERVICE = 'grpc.reflection.v1.ServerReflection';
const { ServerReflectionInfo: method } = loadSync(protoFile, { keepCase: true })[
  REFLECTION_SERVICE
] as ServiceDefinition;

export interface ReflectionAnswer {
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Buffer[] };
  readonly error_response?: { readonly error_message: string };
}

/** The answer to one `ServerReflectionRequest`. */
export function askReflection(client: Client, question: object): Promise<ReflectionAnswer> {
  if (method === undefined) throw new TypeError(REFLECTION_SERVICE);
  return new Promise((resolve, reject) => {
    const call = client.makeBidiStreamRequest<object, ReflectionAnswer>(
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
