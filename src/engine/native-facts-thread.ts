import { parentPort } from 'node:worker_threads';
import { readNativeFacts } from './native-facts.js';

/**
 * A thread that lives for one answer: hashing the libraries and loading ONNX Runtime take the event loop
 * of a starting service no time. What fails here ends the thread with its reason.
 */
void readNativeFacts().then((facts) => parentPort?.postMessage(facts));
