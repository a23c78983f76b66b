import { EngineError } from './error.js';

/** ONNX Runtime's own checks of a feed's type, rank and dimensions (`InferenceSession::CheckShapes`). */
const FEED =
  /^(Got invalid dimensions for input|Invalid rank for input|Unexpected input data type)/;

/** How it names the node whose kernel failed (`ExecuteKernel`). */
const NODE = /^Non-zero status code returned while running (\w+) node\./;

/** What its arena, and the C++ library without it, say where this machine has no memory for a tensor. */
const MEMORY = /Failed to allocate memory for requested buffer|std::bad_alloc/;

/** What kernels say of values and shapes ends the message; a node's name, which is before it, could say it too. */
const TAIL = 512;

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/ Integer (division|modulo) by zero\s*$/, 'an integer is divided by zero'],
  [
    /(indices element out of data bounds, idx=[^']*|invalid ind(ex|ice) found, ind(ex|ice) = -?\d+|Out of range value in index tensor)\s*$/,
    'an index is outside of its data',
  ],
  [
    /cannot be reshaped to the requested shape\. Input shape:[^']*$/,
    'the elements do not fill the shape',
  ],
  [
    /(broadcast an axis by a dimension other than 1\. \d+ by \d+|invalid expand shape)\s*$/,
    'a shape cannot be broadcast to another',
  ],
  [
    /(MatMul dimension mismatch[^']*|Non concat axis dimensions must match: [^']*)$/,
    'shapes do not match',
  ],
];

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Whether an execution failed for what is in the request, so that repeating it cannot help: a kernel that
 * ends with an error judges the values and shapes that it is given. One that lacks memory does not.
 */
export function isRefusal(error: unknown): boolean {
  if (error instanceof EngineError) return error.reason === 'invalid-request';
  const message = messageOf(error);
  return FEED.test(message) || (NODE.test(message) && !MEMORY.test(message));
}

/** What is told of it. ONNX Runtime's messages about a node can quote elements, so they go no further. */
export function failureOf(error: unknown): string {
  const message = messageOf(error);
  if (error instanceof EngineError || FEED.test(message)) return message;
  const tail = message.slice(-TAIL);
  const operator = NODE.exec(message)?.[1];
  const what =
    operator === undefined
      ? 'the model'
      : `${/^[AEIOU]/.test(operator) ? 'an' : 'a'} ${operator} node`;
  const reason = REASONS.find(([pattern]) => pattern.test(tail))?.[1];
  const told = `ONNX Runtime could not execute ${what} on these inputs`;
  return reason === undefined ? told : `${told}: ${reason}`;
}
