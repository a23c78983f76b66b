"""Mistakes of conversions, made in the ONNX file. Each takes a model and gives a changed copy."""

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


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


def downgraded(model, version=6):
    """The same nodes under an opset that had other operators of these names."""
    changed = copy(model)
    for opset in changed.opset_import:
        if opset.domain == "":
            opset.version = version
    return changed


def overflowing(model, operator="MatMul"):
    """A product that float16 cannot hold, as a careless conversion to half precision makes it."""
    changed = copy(model)
    first = next(node for node in changed.graph.node if node.op_type == operator)
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


def saver(model):
    return lambda path: onnx.save_model(model, path)
