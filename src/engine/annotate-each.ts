import type { Annotator, Sealed } from './engine.js';
import type { Execution, ExecutionResult, RunOutput } from './messages.js';
import { type Divisible, divisible, rowsOf, type Tensor } from './tensor.js';

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
  const whole = (names: readonly string[], tensors: readonly RunOutput[]): Divisible[] =>
    tensors.map((tensor, i) => divisible(names[i] ?? '', tensor));
  const [inputs, outputs] = [whole(inputNames, feeds), whole(run.outputs, results)];
  let from = 0;
  return run.rows.map((rows, index) => {
    const note = notes[index] ?? new Uint8Array();
    const to = from + rows;
    const own = (tensors: readonly Divisible[]): Tensor[] =>
      tensors.map((tensor) => rowsOf(tensor, from, to));
    const annotation = annotator.annotate(own(inputs), own(outputs), { context, note });
    from = to;
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
