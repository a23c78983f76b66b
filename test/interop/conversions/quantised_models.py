"""Trains a network with scikit-learn, converts it with skl2onnx, and makes it smaller with ONNX Runtime's
own quantiser and converter to float16: rightly, and with the mistakes that are made with them.

usage: quantised_models.py FOLDER
"""

import logging
import pathlib
import sys
import tempfile
import warnings

import numpy
import onnx
from cases import Cases
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.transformers.float16 import convert_float_to_float16
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from spoil import copy, downgraded, saver

ROWS = 64
OPSET = {"": 18, "ai.onnx.ml": 3}
QUANTISED = {"outputs": {"probabilities": {"absolute": 0.15, "cosine": 0.99}, "label": {}}}
HALF = {"outputs": {"probabilities": {"absolute": 0.01, "topK": 1}, "label": {}}}


class Samples(CalibrationDataReader):
    def __init__(self, x):
        self.rows = iter([{"X": x}])

    def get_next(self):
        return next(self.rows, None)


def quantised(model, samples, **options):
    with tempfile.TemporaryDirectory() as folder:
        before, after = (f"{folder}/{name}.onnx" for name in ("before", "after"))
        onnx.save_model(model, before)
        if samples is None:
            quantize_dynamic(before, after)
        else:
            form = QuantFormat.QDQ
            quantize_static(before, after, Samples(samples), quant_format=form, **options)
        return onnx.load_model(after)


def shifted(model):
    """The activations' zero points off, as where one tool reads as unsigned what another wrote signed."""
    changed = copy(model)
    for node in changed.graph.node:
        if node.op_type == "QuantizeLinear":
            tensor = next(t for t in changed.graph.initializer if t.name == node.input[2])
            values = numpy_helper.to_array(tensor)
            assert values.dtype == numpy.int8
            moved = (values.astype(int) + 128).clip(-128, 127).astype(numpy.int8)
            tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
    return changed


def rescaled(model, factor):
    """The same network for inputs that are `factor` times as large: exact in single precision."""
    changed = copy(model)
    first = next(node for node in changed.graph.node if node.op_type == "MatMul").input[1]
    weight = next(tensor for tensor in changed.graph.initializer if tensor.name == first)
    values = numpy_helper.to_array(weight) / numpy.float32(factor)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    return changed


def half(model):
    return convert_float_to_float16(copy(model), keep_io_types=True)


def main(folder):
    x, classes = load_digits(return_X_y=True)
    x = x.astype(numpy.float32)
    network = MLPClassifier((48,), max_iter=80, random_state=0).fit(x, classes)
    options = {id(network): {"zipmap": False}}
    model = to_onnx(network, x[:1], target_opset=OPSET, options=options)
    rows = x[:ROWS]
    probabilities = network.predict_proba(rows).astype(numpy.float32)
    arrays = {"X": rows, "label": network.predict(rows), "probabilities": probabilities}
    small = {**arrays, "X": rows / 2**20}
    loose = {"outputs": {"probabilities": {"absolute": 0.5, "cosine": 0.99}}}
    coarse = {name: arrays[name] for name in ("X", "probabilities")}
    right = quantised(model, x)
    wrong = ["quality.reference.label", "quality.reference.probabilities"]
    form = ["dynamic.load", "dynamic.opset"]
    by_channel = quantised(model, x, per_channel=True)
    cases = Cases(folder)
    for name, made, vectors, limits, refused in [
        ("quantised", right, arrays, QUANTISED, []),
        ("quantised by channel", by_channel, coarse, loose, []),
        ("quantised as it runs", quantised(model, None), arrays, QUANTISED, []),
        ("quantised for other inputs", quantised(model, x / 64), arrays, QUANTISED, wrong),
        ("quantised zero points off", shifted(right), arrays, QUANTISED, wrong),
        ("quantised opset lowered", downgraded(by_channel, 12), coarse, loose, form),
        ("half precision", half(model), arrays, HALF, []),
        ("half large weights", rescaled(model, 2**-20), small, HALF, []),
        # The converter holds weights to 10000, which nothing in the file tells.
        ("half weights clamped", half(rescaled(model, 2**-20)), small, HALF, wrong),
    ]:
        cases.add(name, saver(made), vectors, limits, refused)
    cases.finish()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    main(pathlib.Path(sys.argv[1]))
