import type { AnnotatorSettings } from '../../src/engine/engine.js';

const SOURCE = `
  export const makeAnnotator = (gate) => {
    let ends = false;
    return {
      annotate: ([{ data: bytes }]) => {
        const value = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
        if (value === 11) throw new Error('no annotation');
        if (value === 12 || value === 14) Atomics.wait(new Int32Array(gate), 0, 0);
        if (value === 13 || value === 14) process.exit(1);
        if (value === 15) ends = true;
        if (value === 16) setImmediate(() => process.exit(1));
        return new Uint8Array();
      },
      seal: (annotations) => {
        if (ends) process.exit(1);
        return { bytes: new Uint8Array(), ends: annotations.map(() => 0), notice: new Uint8Array() };
      },
    };
  };`;

/**
 * An annotator that goes by the first element: it fails at an 11, waits at a 12 until it is opened, ends its
 * thread at a 13, waits and then ends it at a 14, ends it as it seals at a 15, and once it has answered at a 16.
 */
export function gatedAnnotator(): {
  readonly annotator: AnnotatorSettings;
  readonly open: () => void;
} {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const module = new URL(`data:text/javascript,${encodeURIComponent(SOURCE)}`);
  return {
    annotator: { module, data: gate.buffer, context: () => new Uint8Array() },
    open: () => {
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
    },
  };
}
