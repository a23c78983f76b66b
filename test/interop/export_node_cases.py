"""Writes ONNX's own operator cases (onnx.backend.test, kind "node") as files.

usage: export_node_cases.py FOLDER

FOLDER/cases.jsonl has a line for each data set: the model's file, the tolerances, the inputs and the
expected outputs, each a tensor in the Open Inference Protocol's terms with the range of its raw bytes
in FOLDER/tensors.bin, or null where that protocol has no such value (sequences, bfloat16, ...).
"""

import json
import pathlib
import struct
import sys
import warnings

import numpy
import onnx
from onnx.backend.test.loader import load_model_tests

DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}


def raw(value):
    """(datatype, shape, bytes), or None for what the protocol cannot carry."""
    if isinstance(value, onnx.TensorProto):
        if value.data_type > onnx.TensorProto.UINT64 or value.data_type in (14, 15):
            return None
        value = onnx.numpy_helper.to_array(value)
    if isinstance(value, (list, tuple)) or value is None:
        return None
    array = numpy.asarray(value)
    if array.dtype.kind in "OUS":
        texts = [
            item if isinstance(item, bytes) else str(item).encode() for item in array.flatten()
        ]
        return "BYTES", array.shape, b"".join(struct.pack("<I", len(t)) + t for t in texts)
    datatype = DATATYPES.get(array.dtype.name)
    if datatype is None:
        return None
    little = numpy.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")))
    return datatype, array.shape, little.tobytes()


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "cases.jsonl", "w") as lines, open(folder / "tensors.bin", "wb") as data:

        def store(name, value):
            found = raw(value)
            if found is None:
                return None
            datatype, shape, content = found
            start = data.tell()
            data.write(content)
            return {
                "name": name,
                "datatype": datatype,
                "shape": list(shape),
                "offset": start,
                "length": len(content),
            }

        for number, case in enumerate(load_model_tests(kind="node")):
            model = case.model
            file = f"{number}.onnx"
            (folder / file).write_bytes(model.SerializeToString())
            for index, (inputs, outputs) in enumerate(case.data_sets):
                line = {
                    "name": case.name if index == 0 else f"{case.name}/{index}",
                    "model": file,
                    "rtol": case.rtol,
                    "atol": case.atol,
                    "inputs": [store(v.name, x) for v, x in zip(model.graph.input, inputs)],
                    "outputs": [store(v.name, x) for v, x in zip(model.graph.output, outputs)],
                }
                lines.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(pathlib.Path(sys.argv[1]))
