"""A minimal Python server of the Open Inference Protocol: grpcio, ONNX Runtime, raw contents.

usage: python_server.py threads|asyncio NAME=MODEL.onnx ...
prints its port on a line, and a line of JSON with its memory and processor time for each line it reads

What one writes in an afternoon: one session a model with one thread (as Assay's workers have), nothing
validated, nothing signed. `threads` is grpc.server with a thread pool, where ONNX Runtime releases the
interpreter's lock while it runs; `asyncio` is grpc.aio, where the loop hands each execution to such a
pool.
"""

import asyncio
import json
import os
import resource
import sys
import threading
from concurrent import futures

import grpc
import numpy
import onnxruntime
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

DTYPES = {"FP32": numpy.float32}
NAMES = {"tensor(float)": "FP32"}
THREADS = 2 * (os.cpu_count() or 1)


class Models:
    def __init__(self, models):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.sessions = {
            name: onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
            for name, path in models
        }
        self.succeeded = dict.fromkeys(self.sessions, 0)
        self.lock = threading.Lock()

    def infer(self, request):
        session = self.sessions[request.model_name]
        feeds = {
            tensor.name: numpy.frombuffer(raw, DTYPES[tensor.datatype]).reshape(tensor.shape)
            for tensor, raw in zip(request.inputs, request.raw_input_contents)
        }
        names = [output.name for output in session.get_outputs()]
        response = pb.ModelInferResponse(
            model_name=request.model_name, model_version="1", id=request.id
        )
        for name, array in zip(names, session.run(names, feeds)):
            response.outputs.add(name=name, datatype="FP32", shape=array.shape)
            response.raw_output_contents.append(array.tobytes())
        with self.lock:
            self.succeeded[request.model_name] += 1
        return response

    def metadata(self, name):
        session = self.sessions[name]
        response = pb.ModelMetadataResponse(name=name, versions=["1"], platform="onnxruntime_onnx")
        for described, values in (
            (response.inputs, session.get_inputs()),
            (response.outputs, session.get_outputs()),
        ):
            for value in values:
                shape = [size if isinstance(size, int) else -1 for size in value.shape]
                described.add(name=value.name, datatype=NAMES[value.type], shape=shape)
        return response

    def config(self, name):
        response = pb.ModelConfigResponse()
        response.config.name = name
        response.config.max_batch_size = 0
        return response

    def statistics(self, name):
        response = pb.ModelStatisticsResponse()
        stats = response.model_stats.add(name=name, version="1")
        stats.inference_stats.success.count = self.succeeded[name]
        return response


class Threaded(rpc.GRPCInferenceServiceServicer):
    def __init__(self, models):
        self.models = models

    def ServerLive(self, request, context):
        return pb.ServerLiveResponse(live=True)

    def ServerMetadata(self, request, context):
        return pb.ServerMetadataResponse(name="python", version=grpc.__version__)

    def ModelMetadata(self, request, context):
        return self.models.metadata(request.name)

    def ModelConfig(self, request, context):
        return self.models.config(request.name)

    def ModelStatistics(self, request, context):
        return self.models.statistics(request.name)

    def ModelInfer(self, request, context):
        return self.models.infer(request)


class Asynchronous(Threaded):
    def __init__(self, models, pool):
        super().__init__(models)
        self.pool = pool

    async def ServerLive(self, request, context):
        return super().ServerLive(request, context)

    async def ModelInfer(self, request, context):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, self.models.infer, request)


def usage():
    with open("/proc/self/statm", encoding="ascii") as statm:
        rss = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return json.dumps({"rss": rss, "cpu": 1000 * (spent.ru_utime + spent.ru_stime)})


def answer_parent():
    for _ in sys.stdin:  # until the parent closes it
        print(usage(), flush=True)


def threaded(models, pool):
    server = grpc.server(pool)
    rpc.add_GRPCInferenceServiceServicer_to_server(Threaded(models), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    answer_parent()
    server.stop(0).wait()


async def asynchronous(models, pool):
    server = grpc.aio.server()
    rpc.add_GRPCInferenceServiceServicer_to_server(Asynchronous(models, pool), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(answer_parent)
    await server.stop(0)


def main(kind, *arguments):
    models = Models(argument.split("=", 1) for argument in arguments)
    pool = futures.ThreadPoolExecutor(max_workers=THREADS)
    if kind == "threads":
        threaded(models, pool)
    else:
        asyncio.run(asynchronous(models, pool))


if __name__ == "__main__":
    main(*sys.argv[1:])
