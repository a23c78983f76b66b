/*
 * A thread of an isolated process, which hears of the parent's end also while a native call has the
 * others: the system closes the parent's end of the pipe then, however the parent ended.
 */
import { Socket } from 'node:net';
import { workerData } from 'node:worker_threads';

new Socket({ fd: workerData as number })
  .on('error', () => undefined)
  .once('close', () => process.kill(process.pid, 'SIGKILL'))
  .resume();
