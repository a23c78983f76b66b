/*
 * An isolated process that hangs as it does in a native call, on its first thread. While it lives it has
 * a connection to HANGING_SOCKET, and has sent its id there.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { answerQuestions } from '../../src/system/isolated-process.js';

answerQuestions(async () => {
  const socket = connect(process.env['HANGING_SOCKET'] ?? '');
  await once(socket, 'connect');
  await new Promise<void>((resolve) => {
    socket.write(String(process.pid), () => resolve());
  });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  return 'never';
});
