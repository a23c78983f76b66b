"""Trains small networks with PyTorch and exports them with its own exporter, some of them wrongly.

usage: torch_networks.py FOLDER, with a Python that has torch (Debian: python3-torch). From PyTorch 2.9
on it is the exporter over torch.export, which needs onnxscript; before, the one over TorchScript.
"""

import copy
import pathlib
import sys
import warnings

import numpy
import torch
from cases import Cases, median_latency
from torch import nn

OVER_EXPORT = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 9)
CLASSES, SIDE, TOKENS, LENGTH = 4, 16, 40, 12
LIMITS = {"default": {"absolute": 1e-4, "relative": 1e-4, "topK": 1}}


def stripes(count, generator):
    """Pictures of stripes in four directions, 0 to 255, three channels, with noise."""
    label = torch.randint(0, CLASSES, (count,), generator=generator)
    angle = label * torch.pi / CLASSES
    phase = torch.rand(count, 1, 1, generator=generator) * 6
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    along = rows * torch.sin(angle)[:, None, None] + columns * torch.cos(angle)[:, None, None]
    wave = (torch.sin(along + phase) + 1) * 100
    noise = torch.rand(count, 3, SIDE, SIDE, generator=generator) * 55
    return wave[:, None] + noise, label


class ConvNet(nn.Module):
    """What most vision models are made of; it takes pixels from 0 to 255."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([124.0, 116.0, 104.0])[:, None, None])
        self.register_buffer("deviation", torch.tensor([58.0, 57.0, 57.0])[:, None, None])
        self.normalise = True
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.Hardswish(),
            nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 1),
            nn.SiLU(),
            nn.AvgPool2d(4),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(128, CLASSES),
        )

    def forward(self, x):
        return self.body((x - self.mean) / self.deviation if self.normalise else x)


class Encoder(nn.Module):
    """Token embeddings, self-attention, layer normalisation, a mean over what is not padding."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, 32, padding_idx=0)
        self.query, self.key, self.value = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32)
        self.norms = nn.ModuleList([nn.LayerNorm(32), nn.LayerNorm(32)])
        self.wide = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))
        self.head = nn.Linear(32, CLASSES)

    def forward(self, tokens):
        present = (tokens != 0).unsqueeze(-1).float()
        x = self.embedding(tokens)
        scores = self.query(x) @ self.key(x).transpose(1, 2) / 32**0.5
        scores = scores.masked_fill(present.transpose(1, 2) == 0, -1e9)
        x = self.norms[0](x + torch.softmax(scores, -1) @ self.value(x))
        x = self.norms[1](x + self.wide(x))
        return self.head((x * present).sum(1) / present.sum(1))


class Ranker(nn.Module):
    """Whether a document answers a query: two inputs of one shape that are not the same."""

    def __init__(self):
        super().__init__()
        self.query, self.document = nn.GRU(8, 16, batch_first=True), nn.LSTM(8, 16, batch_first=True)

    def forward(self, query, document):
        left, right = self.query(query)[0][:, -1], self.document(document)[0][:, -1]
        return torch.sigmoid((left * right).sum(-1, keepdim=True))


class Weighing(nn.Module):
    """Weighs the rows of a sequence against each other: its softmax is not along the last axis."""

    def __init__(self):
        super().__init__()
        self.score, self.head = nn.Linear(8, 8), nn.Linear(8, CLASSES)

    def forward(self, rows):
        return self.head(torch.softmax(self.score(rows), 1) * rows)


class HalfEnergy(nn.Module):
    """The network and a term that is nothing, unless float16 has no room for the energy of pixels."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        energy = ((2 * x) ** 2).half().float().amax((2, 3)).sum(1, keepdim=True)
        return self.network(x) + 0 * energy


class Reads(nn.Module):
    """A network whose callers send channels last: transposed as it should be, or only reshaped."""

    def __init__(self, network, rightly):
        super().__init__()
        self.network, self.rightly = network, rightly

    def forward(self, x):
        if self.rightly:
            return self.network(x.permute(0, 3, 1, 2))
        return self.network(x.reshape(-1, 3, SIDE, SIDE))


def train(network, batch, loss, steps):
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        inputs, target = batch()
        loss(network(*inputs), target).backward()
        optimizer.step()
    return network.eval()


def exporter(network, inputs, names):
    """Writes the network as PyTorch's exporter does; every input is dynamic in its first dimension."""
    common = {"input_names": names, "output_names": ["logits"]}

    def over_export(path):
        shapes = tuple({0: torch.export.Dim.DYNAMIC} for _ in names)
        program = torch.onnx.export(
            network, inputs, dynamo=True, dynamic_shapes=shapes, verbose=False, **common
        )
        program.save(str(path), external_data=False)

    def over_torchscript(path):
        # In training mode the exporter's own forward pass moves the statistics of normalisation.
        mode = torch.onnx.TrainingMode.TRAINING if network.training else torch.onnx.TrainingMode.EVAL
        torch.onnx.export(
            network,
            inputs,
            str(path),
            opset_version=16,
            training=mode,
            do_constant_folding=not network.training,
            dynamic_axes={name: {0: "n"} for name in [*names, "logits"]},
            **common,
        )

    return over_export if OVER_EXPORT else over_torchscript


def lowered(write):
    """The same nodes under an older opset: Softmax has another meaning there, other operators another form."""

    def write_lowered(path):
        import onnx
        from spoil import downgraded

        write(path)
        onnx.save_model(downgraded(onnx.load_model(path), 12), path)

    return write_lowered


def changed(network, make, change):
    """A copy of a network with a mistake in it."""
    other = make()
    other.load_state_dict(network.state_dict())
    other.eval()
    with torch.no_grad():
        change(other)
    return other


def set_epsilon(network):
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 0.5


def permute_filters(network):
    weight = network.body[7].weight
    weight.copy_(weight.roll(1, 1))


def skip_normalisation(network):
    network.normalise = False


def main(folder):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)
    cases = Cases(folder)
    quality = ["quality.reference.logits"]

    def reference(network, **inputs):
        with torch.no_grad():
            outputs = network(*inputs.values())
        return {name: array.numpy() for name, array in {**inputs, "logits": outputs}.items()}

    def pictures():
        x, label = stripes(64, generator)
        return (x,), label

    network = train(ConvNet(), pictures, nn.functional.cross_entropy, 120)
    x, label = stripes(32, generator)
    arrays = reference(network, x=x)
    right = (arrays["logits"].argmax(1) == label.numpy()).mean()
    assert right > 0.9, f"the network learnt nothing: {right}"
    latency = median_latency(lambda: network(x))
    write = lambda variant: exporter(variant, (x[:2],), ["x"])
    training = copy.deepcopy(network).train()
    cases.add("torch convnet", write(network), arrays, LIMITS, baseline=latency)
    cases.add("torch training mode", write(training), arrays, LIMITS, ["static.training"])
    for name, change in {
        "torch wrong epsilon": set_epsilon,
        "torch filters permuted": permute_filters,
        "torch normalisation missing": skip_normalisation,
    }.items():
        cases.add(name, write(changed(network, ConvNet, change)), arrays, LIMITS, quality)
    cases.add("torch float16 overflow", write(HalfEnergy(network)), arrays, LIMITS, quality)

    last = x.permute(0, 2, 3, 1).contiguous()
    rows = {**arrays, "x": last.numpy()}
    write = lambda variant: exporter(variant, (last[:2],), ["x"])
    cases.add("torch channels last", write(Reads(network, True)), rows, LIMITS)
    cases.add("torch channels reshaped", write(Reads(network, False)), rows, LIMITS, quality)
    cases.add("torch channels first", exporter(network, (x[:2],), ["x"]), rows, LIMITS, ["dynamic.run"])

    def sentences():
        tokens = torch.randint(1, TOKENS, (64, LENGTH), generator=generator)
        label = tokens[:, 0] % CLASSES
        tokens[:, LENGTH // 2 :] *= torch.randint(0, 2, (64, LENGTH // 2), generator=generator)
        return (tokens,), label

    encoder = train(Encoder(), sentences, nn.functional.cross_entropy, 60)
    (tokens,), _ = sentences()
    cases.add(
        "torch encoder",
        exporter(encoder, (tokens[:2],), ["tokens"]),
        reference(encoder, tokens=tokens),
        LIMITS,
        baseline=median_latency(lambda: encoder(tokens)),
    )

    def pairs():
        query = torch.randn(32, 6, 8, generator=generator)
        document = torch.randn(32, 6, 8, generator=generator)
        return (query, document), (query.sum((1, 2)) > document.sum((1, 2)))[:, None].float()

    ranker = train(Ranker(), pairs, nn.functional.binary_cross_entropy, 60)
    (query, document), _ = pairs()
    arrays = reference(ranker, query=query, document=document)
    limits = {"default": {"absolute": 1e-5, "cosine": 0.99999}}
    for name, names, refused in [
        ("torch ranker", ["query", "document"], []),
        ("torch inputs swapped", ["document", "query"], quality),
    ]:
        cases.add(name, exporter(ranker, (query[:2], document[:2]), names), arrays, limits, refused)

    rows = torch.randn(16, 6, 8, generator=generator)
    arrays = reference(weighing := Weighing().eval(), rows=rows)
    write = exporter(weighing, (rows[:2],), ["rows"])
    cases.add("torch weighing", write, arrays, LIMITS)
    if OVER_EXPORT:
        opset = "dynamic.opset"
        cases.add("torch opset lowered", lowered(write), arrays, LIMITS, [*quality, opset])
        write = lowered(exporter(ranker, (query[:2], document[:2]), ["query", "document"]))
        arrays = reference(ranker, query=query, document=document)
        cases.add("torch form of newer opset", write, arrays, limits, ["dynamic.load", opset])
    cases.finish()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(pathlib.Path(sys.argv[1]))
