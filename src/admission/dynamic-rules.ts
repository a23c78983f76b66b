import { outputDistance } from '../client/output-distance.js';
import { sameBits } from '../client/tensor.js';
import { type AdmissionFinding, finding, measurement } from './finding.js';
import { opsetCause } from './opset-cause.js';
import { qualityFindings } from './quality.js';
import { tryModel } from './trial.js';
import type { TrialInputs } from './trial-inputs.js';
import type { TrialResult } from './trial-messages.js';

const MIB = 2 ** 20;
/** Milliseconds of timing for each setting. */
const BUDGET = 400;
/** Part of the baseline's latency that a conversion may take before it is worth a warning. */
const SLOWER = 1.2;

type Done = TrialResult & { readonly kind: 'done' };

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
}

/** ONNX Runtime begins messages with its source file and function; people need the rest, on one line. */
function reasonOf(message: string): string {
  return message
    .replace(/\s+/g, ' ')
    .replace(/^.*?\/onnxruntime_src\/\S+ (?:.*?\) )?/, '')
    .slice(0, 500);
}

/** How the outputs of two settings compare, over the sets that both ran. */
function compare(a: Done, b: Done): { readonly same: boolean; readonly text: string } {
  let [same, text] = [true, ''];
  a.runs.forEach((run, index) => {
    const other = b.runs[index];
    if (!('outputs' in run) || other === undefined || !('outputs' in other)) return;
    if (sameBits(run.outputs, other.outputs)) return;
    same = false;
    run.outputs.forEach((output, at) => {
      const rival = other.outputs[at];
      if (rival === undefined || String(rival.shape) !== String(output.shape)) {
        text = `output "${output.name}" has another shape`;
        return;
      }
      const { differing, elements, numeric } = outputDistance(output, rival);
      if (differing === 0 || text !== '') return;
      const far = numeric === null ? '' : `, at most ${numeric.maxAbsolute.toPrecision(3)} apart`;
      text = `${differing} of ${elements} elements of "${output.name}" differ${far}`;
    });
  });
  return { same, text };
}

function runFindings({ runs }: Done, { sets, sampled }: TrialInputs): AdmissionFinding[] {
  const failures = runs.flatMap((run, index) =>
    'failure' in run ? [`${sets[index]?.name}: ${reasonOf(run.failure)}`] : [],
  );
  const ran = runs.length - failures.length;
  const unsteady = runs.some((run) => 'outputs' in run && !run.repeats);
  if (sampled && ran === 0) {
    const message = `no made-up input could be run, so nothing is measured: give vectors (${failures[0] ?? ''})`;
    return [finding('dynamic.run', 'warn', message)];
  }
  return [
    sampled || failures.length === 0
      ? finding('dynamic.run', 'pass', `${ran} sets of inputs ran${sampled ? ', made up' : ''}`)
      : finding('dynamic.run', 'refuse', 'these sets of inputs do not run', failures),
    unsteady
      ? finding('dynamic.repeat', 'refuse', 'the same inputs gave other bits when run again')
      : finding('dynamic.repeat', 'pass', 'the same inputs give the same bits when run again'),
  ];
}

function latencyFindings(done: Done, plain: TrialResult, baseline: number | null) {
  const { latency } = done;
  if (latency === null) return [];
  const findings: AdmissionFinding[] = [
    measurement('dynamic.latency', 'pass', `median ${milliseconds(latency)} on one thread`, {
      latencyMs: latency,
    }),
  ];
  if (plain.kind === 'done' && plain.latency !== null) {
    const gain = `${milliseconds(plain.latency)} without graph optimisation: ${(plain.latency / latency).toFixed(2)} times`;
    const { same, text } = compare(done, plain);
    const bits = same ? 'the same bits' : `other bits (${text})`;
    findings.push(
      measurement('dynamic.optimisation', 'pass', `${gain}; ${bits}`, {
        plainLatencyMs: plain.latency,
        gain: plain.latency / latency,
      }),
    );
  }
  if (baseline === null) return findings;
  const ratio = latency / baseline;
  const message = `${milliseconds(latency)} against ${milliseconds(baseline)} in the source framework: ${ratio.toFixed(2)} times`;
  const outcome = ratio > SLOWER ? 'warn' : 'pass';
  const measured = { latencyMs: latency, baselineMs: baseline, ratio };
  return [...findings, measurement('dynamic.baseline', outcome, message, measured)];
}

/** Whether a model that ended or hung the runtime loads without any inputs. */
async function loadsAlone(model: string): Promise<boolean> {
  return (await tryModel(model, [], { optimization: 'all', threads: 1 }, 0)).kind === 'done';
}

/**
 * Loads and runs the model under three settings: as it is served, with two threads, and without graph
 * optimisation. What a served model would answer is compared with the references.
 */
export async function dynamicFindings(inputs: TrialInputs): Promise<AdmissionFinding[]> {
  const { model, sets } = inputs;
  const served = await tryModel(model, sets, { optimization: 'all', threads: 1 }, BUDGET);
  if (served.kind === 'failed') {
    const reason = reasonOf(served.reason);
    if (!(await loadsAlone(model))) {
      const refused = finding('dynamic.load', 'refuse', `it does not load: ${reason}`);
      return [refused, ...(await opsetCause(inputs))];
    }
    if (inputs.sampled) {
      const message = `it loads, but made-up inputs end or hang the runtime, so nothing is measured: give vectors (${reason})`;
      return [finding('dynamic.run', 'warn', message)];
    }
    const message = `it loads, but its vectors end or hang the runtime: ${reason}`;
    return [finding('dynamic.run', 'refuse', message), ...(await opsetCause(inputs))];
  }
  const threaded = await tryModel(model, sets, { optimization: 'all', threads: 2 }, 0);
  const plain = await tryModel(model, sets, { optimization: 'disabled', threads: 1 }, BUDGET);
  const findings = [
    measurement('dynamic.load', 'pass', `loaded in ${milliseconds(served.load)}`, {
      loadMs: served.load,
    }),
    measurement('dynamic.memory', 'pass', `${Math.round(served.memory / MIB)} MiB for a session`, {
      memoryBytes: served.memory,
    }),
    ...runFindings(served, inputs),
  ];
  if (threaded.kind === 'done' && served.latency !== null) {
    const { same, text } = compare(served, threaded);
    findings.push(
      same
        ? finding('dynamic.threads', 'pass', 'one thread and two give the same bits')
        : finding('dynamic.threads', 'warn', `one thread and two give other bits: ${text}`),
    );
  }
  findings.push(...latencyFindings(served, plain, inputs.baseline));
  served.runs.forEach((run, index) => {
    const set = sets[index];
    if (inputs.sampled || set === undefined || !('outputs' in run)) return;
    findings.push(...qualityFindings(set.name, set.outputs, run.outputs, inputs.tolerances));
  });
  const wrong = ({ rule, outcome }: AdmissionFinding): boolean =>
    outcome === 'refuse' && (rule === 'dynamic.run' || rule.startsWith('quality.'));
  if (findings.some(wrong)) findings.push(...(await opsetCause(inputs)));
  return findings;
}
