import type { Server } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { protoPath as healthProto } from 'grpc-health-check';
import type { Message } from 'protobufjs';
import descriptor, {
  type IDescriptorProto,
  type IFileDescriptorProto,
} from 'protobufjs/ext/descriptor/index.js';

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

/** Adds `grpc.reflection.v1` and `v1alpha` for these packages and for the health service. */
export function addReflection(server: Server, packages: readonly PackageDefinition[]): void {
  const known = new Map<Uint8Array, Buffer>();
  const correct = (file: Buffer): Buffer => {
    const done = known.get(file) ?? corrected(file);
    known.set(file, done);
    return done;
  };
  const whole: PackageDefinition = {};
  for (const [name, definition] of [...packages, loadSync(healthProto)].flatMap(Object.entries)) {
    whole[name] =
      'fileDescriptorProtos' in definition
        ? { ...definition, fileDescriptorProtos: definition.fileDescriptorProtos.map(correct) }
        : definition;
  }
  new ReflectionService(whole).addToServer(server);
}
