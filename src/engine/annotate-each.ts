import type { Annotator, Sealed } from './engine.js';
import type { Execution, ExecutionResult, RunOutput } from './messages.js';
import type { Tensor } from './tensor.js';

/** Rows `from` to `to` (dimension 0) of a tensor of fixed-size elements. */
function sliceRows(name: string, whole: RunOutput, from: number, to: number): Tensor {
  const [rows = 1, ...rest] = whole.shape;
  const rowBytes = rows === 0 ? 0 : whole.data.length / rows;
  return {
    name,
    datatype: whole.datatype,
    shape: [to - from, ...rest],
    data: whole.data.subarray(from * rowBytes, to * rowBytes),
  };
}

/** Annotates each request of an execution with its own tensors. */
export function annotateEach(
  annotator: Annotator | undefined,
  run: Execution,
  inputNames: readonly string[],
  results: readonly RunOutput[],
): unknown[] {
  const { context } = run;
  if (annotator === undefined || context === undefined) return [];
  const feeds = run.inputs.map(({ datatype, shape, offset, length }) => ({
    datatype,
    shape,
    data: new Uint8Array(run.buffer, offset, length),
  }));
  const named = (names: readonly string[], tensors: readonly RunOutput[]): Tensor[] =>
    tensors.map(({ datatype, shape, data }, index) => ({
      name: names[index] ?? '',
      datatype,
      shape,
      data,
    }));
  const notes = notesOf(run);
  if (run.rows.length === 0) {
    const [note = new Uint8Array()] = notes;
    return [
      annotator.annotate(named(inputNames, feeds), named(run.outputs, results), { context, note }),
    ];
  }
  let from = 0;
  return run.rows.map((rows, index) => {
    const note = notes[index] ?? new Uint8Array();
    const slice = (names: readonly string[], tensors: readonly RunOutput[]): Tensor[] =>
      tensors.map((tensor, i) => sliceRows(names[i] ?? '', tensor, from, from + rows));
    const own = slice(inputNames, feeds);
    const annotation = annotator.annotate(own, slice(run.outputs, results), { context, note });
    from += rows;
    return annotation;
  });
}

/** The requests' notes, which lie at the end of the buffer. */
function notesOf({ buffer, notes }: Execution): Uint8Array[] {
  let at = buffer.byteLength - notes.reduce((sum, length) => sum + length, 0);
  return notes.map((length) => {
    const note = new Uint8Array(buffer, at, length);
    at += length;
    return note;
  });
}

type Annotations = Pick<ExecutionResult, 'annotations' | 'annotationEnds'>;

/** Hands out what was sealed by execution: each call takes that of the next, which had so many requests. */
export function handOut({
  bytes,
  ends,
}: Pick<Sealed, 'bytes' | 'ends'>): (count: number) => Annotations {
  let [taken, start] = [0, 0];
  return (count) => {
    const own = ends.slice(taken, taken + count);
    const end = own.at(-1) ?? start;
    const annotations = bytes.subarray(start, end);
    const annotationEnds = own.map((each) => each - start);
    taken += count;
    start = end;
    return { annotations, annotationEnds };
  };
}
