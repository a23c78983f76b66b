"""A minimal Python server of the Open Inference Protocol: grpcio, ONNX Runtime, raw contents.

usage: python_server.py NAME=MODEL.onnx ...   prints its port on a line

What one writes in an afternoon: grpc.server with a thread pool (ONNX Runtime releases the interpreter's
lock while it runs), one session a model with one thread, nothing validated, nothing signed.
"""

import os
import sys
from concurrent import futures

import grpc
import numpy
import onnxruntime
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

DTYPES = {"FP32": numpy.float32}


class Service(rpc.GRPCInferenceServiceServicer):
    def __init__(self, models):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.sessions = {
            name: onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
            for name, path in models
        }

    def ServerLive(self, request, context):
        return pb.ServerLiveResponse(live=True)

    def ModelInfer(self, request, context):
        session = self.sessions[request.model_name]
        feeds = {
            tensor.name: numpy.frombuffer(raw, DTYPES[tensor.datatype]).reshape(tensor.shape)
            for tensor, raw in zip(request.inputs, request.raw_input_contents)
        }
        names = [output.name for output in session.get_outputs()]
        response = pb.ModelInferResponse(model_name=request.model_name, model_version="1")
        for name, array in zip(names, session.run(names, feeds)):
            response.outputs.add(name=name, datatype="FP32", shape=array.shape)
            response.raw_output_contents.append(array.tobytes())
        return response


def main(arguments):
    pool = futures.ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1))
    server = grpc.server(pool)
    rpc.add_GRPCInferenceServiceServicer_to_server(
        Service(argument.split("=", 1) for argument in arguments), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()  # until the parent closes it
    server.stop(0).wait()


if __name__ == "__main__":
    main(sys.argv[1:])
