import {
  type handleBidiStreamingCall,
  type MethodDefinition,
  Server,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import type { Message } from 'protobufjs';
import descriptor, {
  type IDescriptorProto,
  type IFileDescriptorProto,
} from 'protobufjs/ext/descriptor/index.js';
import { boundedDefinition, MOST_NAMED } from './protocol.js';

const METHOD = 'ServerReflectionInfo';
type Method = MethodDefinition<object, object>;
type Handler = handleBidiStreamingCall<object, object>;

/**
 * Gives the entry types of map fields the names that descriptor.proto requires: `FooBarEntry` for a
 * field `foo_bar`. protobufjs leaves `Entry` out, and strict readers such as grpcurl refuse the file.
 */
function nameMapEntries(message: IDescriptorProto): void {
  for (const nested of message.nestedType ?? []) {
    nameMapEntries(nested);
    const field = message.field?.find(({ typeName }) => typeName === nested.name);
    if (nested.options?.mapEntry !== true || field === undefined) continue;
    const camel = (field.name ?? '').replace(/(?:^|_+)([^_])/g, (_, letter: string) =>
      letter.toUpperCase(),
    );
    nested.name = `${camel}Entry`;
    field.typeName = nested.name;
  }
}

function corrected(file: Uint8Array): Buffer {
  const decoded = descriptor.FileDescriptorProto.decode(file) as Message & IFileDescriptorProto;
  for (const message of decoded.messageType ?? []) nameMapEntries(message);
  return Buffer.from(descriptor.FileDescriptorProto.encode(decoded).finish());
}

/** What `ReflectionService` would have added to a server. */
class Captured extends Server {
  readonly services = new Map<string, { method: Method; handler: Handler }>();

  override addService(definition: ServiceDefinition, handlers: UntypedServiceImplementation): void {
    const method = definition[METHOD];
    const handler = handlers[METHOD];
    if (method === undefined || typeof handler !== 'function') {
      throw new TypeError(`expected the reflection service to have a method ${METHOD}`);
    }
    this.services.set(method.path, { method, handler: handler as Handler });
  }
}

/**
 * Stops reading the questions of a caller who does not take the answers, which `ReflectionService` writes
 * without looking: a question takes a few bytes, its answer all files of a service. For a call that has its
 * handler's listeners.
 */
function readAsAnswersAreTaken(call: Parameters<Handler>[0]): void {
  call.on('data', () => {
    if (call.writableNeedDrain) call.pause();
  });
  call.on('drain', () => call.resume());
}

function reflectOn(packages: readonly PackageDefinition[]): Captured {
  const known = new Map<Uint8Array, Buffer>();
  const correct = (file: Buffer): Buffer => {
    const done = known.get(file) ?? corrected(file);
    known.set(file, done);
    return done;
  };
  const whole: PackageDefinition = {};
  for (const [name, definition] of packages.flatMap(Object.entries)) {
    whole[name] =
      'fileDescriptorProtos' in definition
        ? { ...definition, fileDescriptorProtos: definition.fileDescriptorProtos.map(correct) }
        : definition;
  }
  const captured = new Captured();
  new ReflectionService(whole).addToServer(captured);
  return captured;
}

/**
 * Adds `grpc.reflection.v1` and `v1alpha` for these packages. Descriptors are decoded, corrected and
 * indexed at the first question: few ask, and it takes as long as all else that a server does before it
 * listens.
 */
export function addReflection(server: Server, packages: readonly PackageDefinition[]): void {
  let captured: Captured | undefined;
  for (const version of ['v1', 'v1alpha']) {
    const path = `/grpc.reflection.${version}.ServerReflection/${METHOD}`;
    const reflection = (): { method: Method; handler: Handler } => {
      captured ??= reflectOn(packages);
      const service = captured.services.get(path);
      if (service === undefined) throw new TypeError(`expected reflection at ${path}`);
      return service;
    };
    const method: Method = {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: (request) => reflection().method.requestSerialize(request),
      requestDeserialize: (bytes) => reflection().method.requestDeserialize(bytes),
      responseSerialize: (response) => reflection().method.responseSerialize(response),
      responseDeserialize: (bytes) => reflection().method.responseDeserialize(bytes),
    };
    const handler: Handler = (call) => {
      reflection().handler(call);
      readAsAnswersAreTaken(call);
    };
    server.addService(boundedDefinition({ [METHOD]: method }, MOST_NAMED), { [METHOD]: handler });
  }
}
