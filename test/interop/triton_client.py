"""An unmodified Triton client against Assay, TLS pinned to one certificate.

usage: triton_client.py HOST:PORT CERTIFICATE
"""

import queue
import sys

import numpy
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

checks = 0


def check(condition, what):
    global checks
    if not condition:
        sys.exit(f"failed: {what}")
    checks += 1


def infer(client, model, inputs, **options):
    prepared = []
    for name, (array, datatype) in inputs.items():
        tensor = triton.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array)
        prepared.append(tensor)
    return client.infer(model, prepared, **options)


def streamed(client, x):
    """Answers of a stream in their order, a wrong request among them."""
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for row in (0, 1, None, 2):
        array = x[:1, :3].copy() if row is None else x[row : row + 1]
        tensor = triton.InferInput("input", list(array.shape), "FP32")
        tensor.set_data_from_numpy(array)
        client.async_stream_infer("mlp", [tensor], request_id=str(row))
    found = []
    for _ in range(4):
        result, error = answers.get(timeout=30)
        if error is not None:
            found.append("expected shape" if "expected shape" in error.message() else error.message())
        else:
            response = result.get_response()
            check(response.parameters["triton_final_response"].bool_param, "final response")
            found.append(int(response.id))
    client.stop_stream()
    return found


def main(target, certificate):
    client = triton.InferenceServerClient(target, ssl=True, root_certificates=certificate)
    check(client.is_server_live(), "live")
    check(client.is_server_ready(), "ready")
    check(client.is_model_ready("arithmetic"), "model ready")
    check(client.get_server_metadata().name == "assay", "server name")

    metadata = client.get_model_metadata("arithmetic")
    check([x.name for x in metadata.inputs] == ["a", "b"], "input names")
    check([x.datatype for x in metadata.outputs] == ["FP32", "FP32"], "output types")
    check(list(metadata.inputs[0].shape) == [-1, 3], "shape")

    a = numpy.array([[1, 2, 3], [4, 5, 6]], numpy.float32)
    b = numpy.array([[0.5, -2, 1e30], [0, 1, -0.0]], numpy.float32)
    result = infer(client, "arithmetic", {"a": (a, "FP32"), "b": (b, "FP32")}, request_id="x1")
    check(result.get_response().id == "x1", "id")
    check(numpy.array_equal(result.as_numpy("sum"), a + b), "sum")
    check(numpy.array_equal(result.as_numpy("difference"), a - b), "difference")

    only = [triton.InferRequestedOutput("difference")]
    result = infer(client, "arithmetic", {"a": (a, "FP32"), "b": (b, "FP32")}, outputs=only)
    check(result.as_numpy("sum") is None, "outputs that were not asked for")

    values = {
        "INT64": numpy.array([[-(2**63), 2**63 - 1]], numpy.int64),
        "FP16": numpy.array([[1.5, -65504]], numpy.float16),
        "BOOL": numpy.array([[True, False]]),
        "BYTES": numpy.array([["", "zw\u00f6lf"]], dtype=object),
    }
    for datatype, array in values.items():
        output = infer(client, f"identity-{datatype}", {"input": (array, datatype)}).as_numpy("output")
        if datatype == "BYTES":
            output = numpy.array([[text.decode() for text in output[0]]], dtype=object)
        check(numpy.array_equal(output, array), datatype)

    x = numpy.linspace(-1, 1, 12, dtype=numpy.float32).reshape(3, 4)
    together = infer(client, "mlp", {"input": (x, "FP32")}).as_numpy("output")
    for row in range(3):
        alone = infer(client, "mlp", {"input": (x[row : row + 1], "FP32")}).as_numpy("output")
        check(numpy.array_equal(together[row : row + 1], alone), "a row alone")

    config = client.get_model_config("arithmetic").config
    check(config.name == "arithmetic" and config.max_batch_size == 0, "config")
    check([(x.name, list(x.dims)) for x in config.input] == [("a", [-1, 3]), ("b", [-1, 3])], "dims")
    check(config.parameters["batch_invariance"].string_value == "off", "batch invariance")
    stats = client.get_inference_statistics("mlp").model_stats[0]
    check(stats.inference_count == 4 and stats.inference_stats.success.count == 4, "statistics")
    check(stats.inference_stats.compute_infer.ns > 0, "compute time")
    index = client.get_model_repository_index().models
    check({(x.name, x.state) for x in index} >= {("mlp", "READY")}, "repository index")
    check(streamed(client, x) == [0, 1, "expected shape", 2], "stream")

    options = {"sequence_id": 7, "sequence_start": True, "priority": 1, "timeout": 10_000_000}
    again = infer(client, "mlp", {"input": (x, "FP32")}, **options).as_numpy("output")
    check(numpy.array_equal(again, together), "scheduling parameters")

    try:
        infer(client, "mlp", {"input": (x[:, :3].copy(), "FP32")})
        check(False, "a wrong shape was answered")
    except InferenceServerException as error:
        check("expected shape" in error.message(), error.message())
        check("INVALID_ARGUMENT" in error.status(), error.status())
    print(f"ok {checks} checks")


if __name__ == "__main__":
    main(*sys.argv[1:])
