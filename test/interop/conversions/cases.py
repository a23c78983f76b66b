"""The folder that each exporter of conversions fills, one case a subfolder.

<case>/model.onnx, reference.npz (or test_data_set_0) with what the source framework gives, and
tolerances.json; conversions.json names, for each case, the rules that must refuse it. Needs numpy
alone, since exporters run in the Python that has their framework.
"""

import json
import time

import numpy


def npz(case, arrays):
    numpy.savez_compressed(case / "reference.npz", **arrays)


class Cases:
    def __init__(self, folder):
        self.folder = folder
        self.expected = {}

    def add(self, name, write_model, arrays, limits, refused_by=(), baseline=None, vectors=npz):
        """write_model(path) writes the model file; arrays are the inputs and reference outputs."""
        case = self.folder / name
        case.mkdir(parents=True)
        write_model(case / "model.onnx")
        vectors(case, arrays)
        declared = {"version": 1, **limits}
        if baseline is not None:
            declared["baseline"] = {"latency": baseline}
        (case / "tolerances.json").write_text(json.dumps(declared))
        self.expected[name] = list(refused_by)

    def finish(self):
        (self.folder / "conversions.json").write_text(json.dumps(self.expected))


def median_latency(call, runs=50):
    """Median milliseconds of a call."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * float(numpy.median(times))
