"""Trains small models with scikit-learn, LightGBM and XGBoost, converts them with skl2onnx and
onnxmltools, and spoils some conversions.

usage: scikit_models.py FOLDER
"""

import pathlib
import sys
import warnings

import numpy
from cases import Cases, median_latency
from lightgbm import LGBMClassifier
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from spoil import copy, downgraded, overflowing, permuted, saver
from xgboost import XGBRegressor

ROWS = 16
OPSET = {"": 18, "ai.onnx.ml": 3}
LIMITS = {"default": {"absolute": 1e-4, "relative": 1e-4}}
CLASSIFIERS = {**LIMITS, "outputs": {"label": {}}}


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


def boosted(x, y):
    """Half of the classes, so that the converter's labels are put to the test."""
    odd = y % 2 == 1
    fitted = LGBMClassifier(n_estimators=15, num_leaves=7, random_state=0, n_jobs=1, verbose=-1)
    fitted.fit(x[odd], y[odd])
    shape = [("X", FloatTensorType([None, x.shape[1]]))]
    model = convert_lightgbm(fitted, initial_types=shape, target_opset=15, zipmap=False)
    rows = x[odd][:ROWS]
    probabilities = fitted.predict_proba(rows).astype(numpy.float32)
    return model, {"X": rows, "label": fitted.predict(rows), "probabilities": probabilities}


def gradient_boosted(x, y):
    fitted = XGBRegressor(n_estimators=20, max_depth=4, n_jobs=1).fit(x, y)
    shape = [("X", FloatTensorType([None, x.shape[1]]))]
    model = convert_xgboost(fitted, initial_types=shape, target_opset=15)
    return model, {"X": x[:ROWS], "variable": fitted.predict(x[:ROWS]).reshape(-1, 1)}


def without_base(model):
    """A tree ensemble that lost the value from which boosting starts."""
    changed = copy(model)
    for node in changed.graph.node:
        kept = [attribute for attribute in node.attribute if attribute.name != "base_values"]
        assert len(kept) < len(node.attribute)
        del node.attribute[:]
        node.attribute.extend(kept)
    return changed


def relabelled(model):
    """A tree ensemble that numbers its classes instead of naming them."""
    changed = copy(model)
    for node in changed.graph.node:
        for attribute in node.attribute:
            if attribute.name == "classlabels_int64s":
                attribute.ints[:] = range(len(attribute.ints))
    return changed


def main(folder):
    digits, classes = load_digits(return_X_y=True)
    digits = digits.astype(numpy.float32)
    patients, progress = load_diabetes(return_X_y=True)
    patients = patients.astype(numpy.float32)
    network = MLPClassifier((32,), max_iter=60, random_state=0)
    mlp, vectors = classifier(network, digits, classes)
    baseline = median_latency(lambda: network.predict_proba(digits[:ROWS]))
    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    forest = RandomForestRegressor(20, max_depth=6, random_state=0)
    trees, leaves = boosted(digits, classes)
    gradient, variable = gradient_boosted(patients, progress)
    wrong = ["quality.reference.label", "quality.reference.probabilities"]
    cases = Cases(folder)
    for name, model, arrays, refused in [
        ("scikit-learn pipeline", *classifier(scaled, digits, classes), []),
        ("scikit-learn forest", *regressor(forest, patients, progress), []),
        ("lightgbm trees", trees, leaves, []),
        ("lightgbm labels", relabelled(trees), leaves, ["quality.reference.label"]),
        ("xgboost trees", gradient, variable, []),
        ("xgboost base value lost", without_base(gradient), variable, ["quality.reference.variable"]),
        ("scikit-learn permuted", permuted(mlp), vectors, wrong),
        ("scikit-learn downgraded", downgraded(mlp), vectors, ["static.operator"]),
        ("scikit-learn overflow", overflowing(mlp), vectors, wrong),
    ]:
        limits = CLASSIFIERS if "label" in arrays else LIMITS
        cases.add(name, saver(model), arrays, limits, refused)
    cases.add("scikit-learn network", saver(mlp), vectors, CLASSIFIERS, baseline=baseline)
    cases.finish()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(pathlib.Path(sys.argv[1]))
