"""Trains small models with scikit-learn, converts them with skl2onnx, and spoils some conversions.

usage: export_conversions.py FOLDER

FOLDER/<case>/model.onnx with reference.npz, what scikit-learn gives, and tolerances.json;
FOLDER/conversions.json names, for each case, the rules that must refuse it.
"""

import json
import pathlib
import sys
import warnings

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROWS = 16
OPSET = {"": 18, "ai.onnx.ml": 3}


def classifier(estimator, x, y):
    fitted = estimator.fit(x, y)
    options = {id(fitted): {"zipmap": False}}
    model = to_onnx(fitted, x[:1], target_opset=OPSET, options=options)
    probabilities = fitted.predict_proba(x[:ROWS]).astype(numpy.float32)
    return model, {"X": x[:ROWS], "label": fitted.predict(x[:ROWS]), "probabilities": probabilities}


def regressor(estimator, x, y):
    fitted = estimator.fit(x, y)
    model = to_onnx(fitted, x[:1], target_opset=OPSET)
    expected = fitted.predict(x[:ROWS]).astype(numpy.float32).reshape(-1, 1)
    return model, {"X": x[:ROWS], "variable": expected}


def copy(model):
    duplicate = onnx.ModelProto()
    duplicate.CopyFrom(model)
    return duplicate


def permuted(model):
    """The rows of the largest weight in another order, as a wrong transpose would leave them."""
    changed = copy(model)
    weight = max(changed.graph.initializer, key=lambda tensor: numpy.prod(tensor.dims))
    values = numpy_helper.to_array(weight)
    weight.CopyFrom(numpy_helper.from_array(numpy.roll(values, 1, axis=0), weight.name))
    return changed


def downgraded(model):
    """The same nodes under an opset that had other operators of these names."""
    changed = copy(model)
    for opset in changed.opset_import:
        if opset.domain == "":
            opset.version = 6
    return changed


def overflowing(model):
    """A product that float16 cannot hold, as a careless conversion to half precision makes it."""
    changed = copy(model)
    first = next(node for node in changed.graph.node if node.op_type == "MatMul")
    product = first.output[0]
    first.output[0] = "product"
    scale = numpy_helper.from_array(numpy.array([1e5], numpy.float32), "scale")
    changed.graph.initializer.append(scale)
    position = list(changed.graph.node).index(first) + 1
    for node in reversed(
        [
            helper.make_node("Mul", ["product", "scale"], ["scaled"]),
            helper.make_node("Cast", ["scaled"], ["half"], to=TensorProto.FLOAT16),
            helper.make_node("Cast", ["half"], ["single"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["single", "scale"], [product]),
        ]
    ):
        changed.graph.node.insert(position, node)
    return changed


def main(folder):
    digits, classes = load_digits(return_X_y=True)
    digits = digits.astype(numpy.float32)
    patients, progress = load_diabetes(return_X_y=True)
    patients = patients.astype(numpy.float32)
    network = MLPClassifier((32,), max_iter=60, random_state=0)
    mlp, vectors = classifier(network, digits, classes)
    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    forest = RandomForestRegressor(20, max_depth=6, random_state=0)
    quality = ["quality.reference.probabilities"]
    cases = {
        "network": (mlp, vectors, []),
        "pipeline": (*classifier(scaled, digits, classes), []),
        "forest": (*regressor(forest, patients, progress), []),
        "permuted weights": (permuted(mlp), vectors, quality),
        "opset downgraded": (downgraded(mlp), vectors, ["static.operator"]),
        "float16 overflow": (overflowing(mlp), vectors, quality),
    }
    for name, (model, arrays, _) in cases.items():
        case = folder / name
        case.mkdir(parents=True)
        onnx.save_model(model, case / "model.onnx")
        numpy.savez_compressed(case / "reference.npz", **arrays)
        limits = {"absolute": 1e-4, "relative": 1e-4}
        declared = {"version": 1, "default": limits, "outputs": {"label": {}}}
        (case / "tolerances.json").write_text(json.dumps(declared))
    expected = {name: refused for name, (_, _, refused) in cases.items()}
    (folder / "conversions.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(pathlib.Path(sys.argv[1]))
