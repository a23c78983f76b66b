"""Trains a small network with JAX and Flax, converts it with jax2onnx, and spoils some conversions.

usage: jax_networks.py FOLDER
"""

import os
import pathlib
import sys
import warnings

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import numpy
import onnx
import optax
from cases import Cases, median_latency
from flax import nnx
from jax2onnx import to_onnx
from onnx import numpy_helper
from sklearn.datasets import load_digits
from spoil import downgraded, overflowing, permuted, saver

ROWS = 32
LIMITS = {"default": {"absolute": 1e-4, "relative": 1e-4, "cosine": 0.999999, "topK": 2}}


class ConvNet(nnx.Module):
    """JAX keeps channels last: the converter has to transpose what ONNX has first."""

    def __init__(self, rngs, epsilon=1e-6):
        self.conv = nnx.Conv(1, 16, (3, 3), rngs=rngs)
        self.deep = nnx.Conv(16, 16, (3, 3), strides=2, feature_group_count=16, rngs=rngs)
        self.norm = nnx.LayerNorm(16, epsilon=epsilon, rngs=rngs)
        self.wide = nnx.Linear(256, 48, rngs=rngs)
        self.head = nnx.Linear(48, 10, rngs=rngs)

    def __call__(self, x):
        x = nnx.gelu(self.conv(x))
        x = self.norm(self.deep(x))
        x = nnx.silu(self.wide(x.reshape(x.shape[0], -1)))
        return self.head(x)


class Weighing(nnx.Module):
    """Weighs the rows of a picture against each other: its softmax is not along the last axis."""

    def __init__(self, rngs):
        self.score, self.head = nnx.Linear(8, 8, rngs=rngs), nnx.Linear(8, 10, rngs=rngs)

    def __call__(self, x):
        return self.head(jax.nn.softmax(self.score(x), axis=1) * x)


def trained(x, y):
    network = ConvNet(nnx.Rngs(0))
    optimizer = nnx.Optimizer(network, optax.adam(3e-3), wrt=nnx.Param)

    @nnx.jit
    def step(network, optimizer, x, y):
        def loss(network):
            return optax.softmax_cross_entropy_with_integer_labels(network(x), y).mean()

        optimizer.update(network, nnx.grad(loss)(network))

    for start in range(0, 1600, 64):
        step(network, optimizer, x[start : start + 64], y[start : start + 64])
    return network


def data_set(case, arrays):
    """The layout of ONNX's own test cases, by position."""
    folder = case / "test_data_set_0"
    folder.mkdir()
    for side, array in zip(["input", "output"], arrays.values(), strict=True):
        tensor = numpy_helper.from_array(array, side)
        (folder / f"{side}_0.pb").write_bytes(tensor.SerializeToString())


def convert(network):
    return to_onnx(network, [("B", 8, 8, 1)], opset=20)


def main(folder):
    digits, classes = load_digits(return_X_y=True)
    x = (digits.astype(numpy.float32) / 16).reshape(-1, 8, 8, 1)
    network = trained(x, classes)
    rows = x[-ROWS:]
    expected = numpy.asarray(network(rows))
    right = (expected.argmax(1) == classes[-ROWS:]).mean()
    assert right > 0.8, f"the network learnt nothing: {right}"
    run = nnx.jit(lambda network, x: network(x))
    run(network, rows)
    latency = median_latency(lambda: jax.block_until_ready(run(network, rows)))
    smoothed = ConvNet(nnx.Rngs(0), epsilon=1.0)
    nnx.update(smoothed, nnx.state(network))
    model = convert(network)
    print(f"jax2onnx: opset {model.opset_import[0].version}, {len(model.graph.node)} nodes")
    onnx.checker.check_model(model)
    quality = [f"quality.test_data_set_0.{model.graph.output[0].name}"]
    cases = Cases(folder)
    for name, converted, refused in [
        ("jax convnet", model, []),
        ("jax permuted", permuted(model), quality),
        ("jax wrong epsilon", convert(smoothed), quality),
        ("jax downgraded", downgraded(model), ["static.operator"]),
        ("jax float16 overflow", overflowing(model, "Gemm"), quality),
    ]:
        arrays = {"input": rows, "output": expected}
        cases.add(name, saver(converted), arrays, LIMITS, refused, latency, vectors=data_set)

    weighing = Weighing(nnx.Rngs(1))
    rows = x[-ROWS:, :, :, 0]
    arrays = {"input": rows, "output": numpy.asarray(weighing(rows))}
    model = to_onnx(weighing, [("B", 8, 8)], opset=18)
    quality = [f"quality.reference.{model.graph.output[0].name}", "dynamic.opset"]
    names = [model.graph.input[0].name, model.graph.output[0].name]
    arrays = dict(zip(names, arrays.values(), strict=True))
    cases.add("jax weighing", saver(model), arrays, LIMITS)
    cases.add("jax opset lowered", saver(downgraded(model, 12)), arrays, LIMITS, quality)
    cases.finish()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(pathlib.Path(sys.argv[1]))
