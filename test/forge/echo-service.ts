import { EventEmitter } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import type { Socket } from 'node:net';
import { after } from 'node:test';
import { connect as secure } from 'node:tls';
import { promisify } from 'node:util';
import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { makeTlsIdentity } from '../../enclave/tls.js';
import { startServer } from '../../src/server/server.js';
import type { Answer, UnaryCall } from '../../src/server/unary-methods.js';

/** Bytes of the largest message that the service takes. */
export const ECHO_MAX = 100_000;
export const ECHO_PATH = '/test.Echo/Echo';
export const REPEAT_PATH = '/test.Echo/Repeat';

/** Calls that wait for the test, as events `held`, and their cancellations, `cancelled`. */
export const calls = new EventEmitter();

export type Call = readonly [call: UnaryCall<Buffer>, answer: Answer<Buffer>];

/** Answers with the message, or as it says. */
const echo = (...[call, answer]: Call): void => {
  const { request } = call;
  if (request.equals(Buffer.from('fail'))) {
    answer({ code: status.NOT_FOUND, details: 'no Wasser: 水' });
  } else if (request.equals(Buffer.from('hold'))) {
    call.once('cancelled', () => calls.emit('cancelled'));
    calls.emit('held', call, answer);
  } else answer(null, request);
};

/** Answers each message of a stream with itself, whether the caller takes answers or not. */
const repeat = (call: ServerDuplexStream<Buffer, Buffer>): void => {
  call.once('cancelled', () => calls.emit('cancelled'));
  call.on('data', (message: Buffer) => call.write(message));
};

/** Messages are their bytes, but for one each way that a codec would refuse. */
function codec(refused: string): (bytes: Buffer) => Buffer {
  return (bytes) => {
    if (bytes.equals(Buffer.from(refused))) throw new Error(`not ${refused}`);
    return bytes;
  };
}

const messages = {
  requestSerialize: codec('-'),
  requestDeserialize: codec('malformed'),
  responseSerialize: codec('unsayable'),
  responseDeserialize: codec('-'),
};
const definition = {
  Echo: { ...messages, path: ECHO_PATH, requestStream: false, responseStream: false },
  Repeat: { ...messages, path: REPEAT_PATH, requestStream: true, responseStream: true },
};
const handlers = { Echo: echo, Repeat: repeat };

/** The service as Assay's server answers it; it and its connections end with the file. */
export async function startEcho(idle: number) {
  const tls = await makeTlsIdentity(['localhost'], new Date());
  const server = await startServer({
    services: [{ name: 'test.Echo', definition, handlers, package: {} }],
    address: { host: '127.0.0.1', port: 0 },
    plaintextAddress: { host: '127.0.0.1', port: 0 },
    tls,
    maxReceiveBytes: ECHO_MAX,
    connections: { max: 8, maxStreams: 8, idle },
  });
  after(() => server.drain(0));
  const ending = (session: ClientHttp2Session): ClientHttp2Session => {
    after(() => session.destroy());
    return session;
  };
  const open = () => ending(connect(`http://127.0.0.1:${server.plaintextPort}`));
  /** @param socket connected to it already. */
  const openSecure = (socket?: Socket) => {
    const ca = tls.certificatePem;
    const createConnection = socket && {
      createConnection: () =>
        secure({ socket, ca, servername: 'localhost', ALPNProtocols: ['h2'] }),
    };
    return ending(connect(`https://localhost:${server.port}`, { ca, ...createConnection }));
  };
  return { ...server, open, openSecure };
}

/** A connection to the same service as grpc-js alone answers it. */
export async function openLibrary() {
  const plain = new Server({ 'grpc.max_receive_message_length': ECHO_MAX });
  plain.addService(definition, handlers);
  after(() => plain.forceShutdown());
  const port = await promisify(plain.bindAsync.bind(plain))(
    '127.0.0.1:0',
    ServerCredentials.createInsecure(),
  );
  const opened = connect(`http://127.0.0.1:${port}`);
  after(() => opened.destroy());
  return opened;
}
