import { guidBytes } from './guid.js';

/** gEfiAuthenticatedVariableGuid, with which a store of variables begins (edk2 `AuthenticatedVariableFormat.h`). */
const STORE = Buffer.from(guidBytes('aaf32c78-947b-439a-a180-2e144ec37792'));
const STORE_HEADER = 28;
const VARIABLE_HEADER = 60;
const START_ID = 0x55aa;
/** The state of a variable that counts: VAR_ADDED. */
const ADDED = 0x3f;

interface Variable {
  readonly name: string;
  readonly data: Uint8Array;
}

/** The variables of the store in an image; none where it has none, and no more where a header is out of bounds. */
function* variablesOf(image: Buffer): Generator<Variable> {
  const start = image.indexOf(STORE);
  if (start < 0 || start + STORE_HEADER > image.length) return;
  const store = image.subarray(start, start + image.readUInt32LE(start + STORE.length));
  for (let at = STORE_HEADER; at + VARIABLE_HEADER <= store.length; ) {
    if (store.readUInt16LE(at) !== START_ID) return;
    const nameAt = at + VARIABLE_HEADER;
    const dataAt = nameAt + store.readUInt32LE(at + 36);
    const end = dataAt + store.readUInt32LE(at + 40);
    if (end > store.length) return;
    const name = store.toString('utf16le', nameAt, dataAt).replace(/\0$/, '');
    if (store[at + 2] === ADDED) yield { name, data: store.subarray(dataAt, end) };
    at = Math.ceil(end / 4) * 4;
  }
}

/**
 * Whether firmware refuses, by the variables that it comes with, to start what is not signed for their keys: a
 * platform key is enrolled, and Secure Boot is not switched off (edk2 `AuthVariableLib`, InitializeSecureBootVariables).
 */
export function enforcesSecureBoot(image: Uint8Array): boolean {
  const variables = [...variablesOf(Buffer.from(image.buffer, image.byteOffset, image.length))];
  const data = (name: string) => variables.find((variable) => variable.name === name)?.data;
  return (data('PK')?.length ?? 0) > 0 && data('SecureBootEnable')?.[0] !== 0;
}
