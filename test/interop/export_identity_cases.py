"""Writes models and rewritings of them, made with ONNX's own tools, as files.

usage: export_identity_cases.py FOLDER

FOLDER/identity.jsonl has a line for each model: its name, the files that hold the same computation,
and the files that hold another. The models are ONNX's operator cases and some written here, which
have functions, nested control flow, sparse and quantised initializers and strings.
"""

import json
import pathlib
import sys
import warnings

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.loader import load_model_tests

FUNCTIONS = """
<ir_version: 9, opset_import: ["" : 20, "local" : 1]>
agraph (float[N, 4] x) => (float[N, 4] y, float[N, 4] z) {
  a = local.scaled <alpha = 0.25> (x)
  y = local.twice (a)
  z = local.twice (x)
}
<domain: "local", opset_import: ["" : 20]>
scaled <alpha: float> (x) => (y) { y = LeakyRelu <alpha: float = @alpha> (x) }
<domain: "local", opset_import: ["" : 20, "local" : 1]>
twice (x) => (y) {
  s = local.scaled <alpha = 0.5> (x)
  y = Add (s, s)
}
"""

CONTROL_FLOW = """
<ir_version: 9, opset_import: ["" : 20]>
agraph (float[N] x, int64 count, bool go) => (float[N] y, float[K, N] all) {
  one = Constant <value: tensor = float[1] one {1.0}> ()
  y, all = Loop (count, go, x) <body = each (int64 i, bool c, float[N] s) => (bool d, float[N] t, float[N] u) {
    d = Identity (c)
    cast = Cast <to = 1> (i)
    t = If (c) <
      then_branch = yes () => (float[N] p) { p = Add (s, one) },
      else_branch = no () => (float[N] q) { q = Sub (s, cast) }>
    u = Mul (t, one)
  }>
}
"""


def own_models():
    yield "functions", onnx.parser.parse_model(FUNCTIONS)
    yield "control flow", onnx.parser.parse_model(CONTROL_FLOW)

    values = helper.make_tensor("s", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    indices = helper.make_tensor("", TensorProto.INT64, [3], [0, 5, 11])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "s"], ["y"])],
        "sparse",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])],
        sparse_initializer=[helper.make_sparse_tensor(values, indices, [3, 4])],
    )
    yield "sparse", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)

    for type_name in ("INT4", "UINT4", "INT8", "FLOAT8E4M3FN", "BFLOAT16", "FLOAT16", "BOOL"):
        data_type = getattr(TensorProto, type_name)
        numbers = [0, 1, 1, 0, 1]
        graph = helper.make_graph(
            [helper.make_node("Cast", ["w"], ["y"], to=TensorProto.FLOAT)],
            type_name,
            [],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [5])],
            [helper.make_tensor("w", data_type, [5], numbers)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        yield f"initializer of {type_name}", model

    graph = helper.make_graph(
        [helper.make_node("StringConcat", ["x", "w"], ["y"])],
        "strings",
        [helper.make_tensor_value_info("x", TensorProto.STRING, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, ["N"])],
        [helper.make_tensor("w", TensorProto.STRING, [1], ["tail"])],
    )
    yield "strings", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def tensors(graph):
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from tensors(attribute.g)


def copy(model):
    duplicate = onnx.ModelProto()
    duplicate.CopyFrom(model)
    return duplicate


def as_raw(model):
    """numpy's encoding of every tensor: raw_data."""
    changed = copy(model)
    for tensor in tensors(changed.graph):
        if tensor.data_type == TensorProto.STRING:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), name))
    return changed


def documented(model):
    changed = copy(model)
    changed.doc_string = "documentation"
    changed.producer_name = "someone else"
    changed.graph.doc_string = "documentation"
    helper.set_model_props(changed, {"key": "value"})
    for node in changed.graph.node:
        node.doc_string = "documentation"
        node.name = "named " + node.op_type
    return changed


def another_opset(model):
    """The same nodes under another version, if the model uses ONNX's own operators at all."""
    if not any(node.domain in ("", "ai.onnx") and node.op_type != "Constant" for node in model.graph.node):
        return None
    changed = copy(model)
    for opset in changed.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version -= 1
    return changed


def another_attribute(model):
    changed = copy(model)
    for node in changed.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.INT and node.op_type != "Constant":
                attribute.i += 1
                return changed
    return None


def another_weight(model):
    changed = as_raw(model)
    for tensor in changed.graph.initializer:
        if tensor.raw_data:
            tensor.raw_data = bytes([tensor.raw_data[0] ^ 1]) + tensor.raw_data[1:]
            return changed
    return None


def export(folder, number, name, model):
    base = folder / str(number)
    base.mkdir(parents=True)

    def save(label, variant, **options):
        path = base / label
        path.mkdir()
        onnx.save_model(variant, path / "model.onnx", **options)
        return f"{number}/{label}/model.onnx"

    same = [save("original", model), save("raw", as_raw(model)), save("documented", documented(model))]
    external = {"save_as_external_data": True, "size_threshold": 0, "convert_attribute": True}
    same.append(save("external", as_raw(model), location="weights.bin", **external))
    same.append(save("external-each", as_raw(model), all_tensors_to_one_file=False, **external))
    inferred = copy(model)
    inferred.graph.value_info.extend(onnx.shape_inference.infer_shapes(model).graph.value_info)
    same.append(save("inferred", inferred))
    others = {
        "opset": another_opset(model),
        "attribute": another_attribute(model),
        "weight": another_weight(model),
    }
    differ = [save(label, variant) for label, variant in others.items() if variant is not None]
    return {"name": name, "same": same, "differ": differ}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    cases = [(case.name, case.model) for case in load_model_tests(kind="node")]
    with open(folder / "identity.jsonl", "w") as lines:
        for number, (name, model) in enumerate([*own_models(), *cases]):
            lines.write(json.dumps(export(folder, number, name, model)) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    numpy.seterr(all="ignore")
    main(pathlib.Path(sys.argv[1]))
