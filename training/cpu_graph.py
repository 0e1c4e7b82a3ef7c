"""The network as an OpenVINO graph whose weights stay in `network.keras`.

Translates the layers that Inception-v3 and its head are made of, one by one, from the Keras
configuration; any other layer is refused. Knows the artifact's file names, and no TensorFlow: it
reads the saved file as the service would.
"""

import io
import json
import re
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import openvino as ov
from openvino import opset13 as ops

from models.artifact import (
    CPU_CONSTANTS_FILE,
    CPU_GRAPH_FILE,
    CPU_WEIGHTS_FILE,
    NETWORK_FILE,
)
from models.cpu_form import KERAS_WEIGHTS_MEMBER, aligned, dataset_offsets
from training.errors import UnsupportedLayerError

FEATURES_OUTPUT = "features"
SCORES_OUTPUT = "scores"

_WEIGHT_PREFIX = "weight:"
_TO_OIHW = [3, 2, 0, 1]
_TO_NCHW = [0, 3, 1, 2]

Node = Any
Layer = dict[str, Any]


def write_cpu_form(artifact_dir: Path) -> None:
    """Write `network.xml`, `network.bin` and `network.weights.json` beside `network.keras`.

    The graph takes `(batch, height, width, 3)` uint8 RGB of any batch size and has two outputs:
    `scores` `(batch, tags)` and `features` `(batch, 2048)`, both float32.

    Raises:
        UnsupportedLayerError: The network is not of the kind this project builds.
    """
    with zipfile.ZipFile(artifact_dir / NETWORK_FILE) as network:
        config = json.loads(network.read("config.json"))["config"]
        stored = io.BytesIO(network.read(KERAS_WEIGHTS_MEMBER))
    with h5py.File(stored, "r") as weights:
        graph = _Translation(config, weights).graph()
        xml_file, bin_file = artifact_dir / CPU_GRAPH_FILE, artifact_dir / CPU_CONSTANTS_FILE
        ov.serialize(graph, str(xml_file), str(bin_file))
        names = _lift_weights(xml_file, bin_file, weights)
    (artifact_dir / CPU_WEIGHTS_FILE).write_text(json.dumps(names, indent=1) + "\n", "utf-8")


def _lift_weights(xml_file: Path, bin_file: Path, weights: h5py.File) -> list[str]:
    """Keep small constants in the `.bin`, point weights behind it, return the weights' order."""
    tree = ET.parse(xml_file)
    constants = [layer for layer in tree.iter("layer") if layer.get("type") == "Const"]
    blob, small = bin_file.read_bytes(), bytearray()
    heavy: list[tuple[str, ET.Element]] = []
    for layer in constants:
        data = layer.find("data")
        if data is None:
            raise UnsupportedLayerError(f"a constant without data in {xml_file}")
        name = layer.get("name", "")
        if name.startswith(_WEIGHT_PREFIX):
            heavy.append((name.removeprefix(_WEIGHT_PREFIX), data))
            continue
        start, size = int(data.get("offset", "0")), int(data.get("size", "0"))
        small.extend(b"\0" * (aligned(len(small)) - len(small)))
        data.set("offset", str(len(small)))
        small.extend(blob[start : start + size])
    sizes = [weights[name].size * weights[name].dtype.itemsize for name, _ in heavy]
    for (name, data), offset, size in zip(
        heavy, dataset_offsets(len(small), sizes), sizes, strict=True
    ):
        if int(data.get("size", "0")) != size:
            raise UnsupportedLayerError(f"the size of {name} differs between graph and weights")
        data.set("offset", str(offset))
    tree.write(xml_file, encoding="utf-8", xml_declaration=True)
    bin_file.write_bytes(bytes(small))
    return [name for name, _ in heavy]


class _Translation:
    """One pass over the layers of a Keras functional configuration."""

    def __init__(self, config: Layer, weights: h5py.File) -> None:
        self._config = config
        self._weights = weights
        self._nodes: dict[str, Node] = {}
        self._kinds: Counter[str] = Counter()
        self._translate: dict[str, Callable[[Layer, list[Node], str], Node]] = {
            "Rescaling": self._rescaling,
            "Conv2D": self._convolution,
            "BatchNormalization": self._batch_norm,
            "Activation": self._activation,
            "MaxPooling2D": self._max_pool,
            "AveragePooling2D": self._average_pool,
            "Concatenate": lambda layer, inputs, path: ops.concat(inputs, 1),
            "GlobalAveragePooling2D": self._global_pool,
            "Dropout": lambda layer, inputs, path: inputs[0],
            "Dense": self._dense,
        }

    def graph(self) -> ov.Model:
        """Return the whole graph."""
        results, parameter = [], None
        for layer in self._config["layers"]:
            kind, name = layer["class_name"], layer["name"]
            path = self._weights_path(kind)
            if kind == "InputLayer":
                _, height, width, channels = layer["config"]["batch_shape"]
                parameter = ops.parameter([-1, height, width, channels], np.uint8, name="pictures")
                parameter.output(0).set_names({"pictures"})
                self._nodes[name] = parameter
                continue
            if kind not in self._translate:
                raise UnsupportedLayerError(f"no CPU form for the layer {name} ({kind})")
            node = self._translate[kind](layer["config"], self._inputs(layer), path)
            self._nodes[name] = node
            if name in (FEATURES_OUTPUT, SCORES_OUTPUT):
                result = ops.result(node, name=f"{name}_result")
                node.output(0).set_names({name})
                results.append(result)
        if parameter is None or len(results) != 2:
            raise UnsupportedLayerError("the network lacks an input, `features` or `scores`")
        return ov.Model(results, [parameter], "reeltag")

    def _weights_path(self, kind: str) -> str:
        """Return where Keras stores this layer's weights: kind in snake case, counted."""
        snake = re.sub(r"\W+", "", kind)
        snake = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", snake)
        snake = re.sub("([a-z])([A-Z])", r"\1_\2", snake).lower()
        number = self._kinds[snake]
        self._kinds[snake] += 1
        return f"layers/{snake}_{number}/vars" if number else f"layers/{snake}/vars"

    def _inputs(self, layer: Layer) -> list[Node]:
        args = layer["inbound_nodes"][0]["args"][0]
        tensors = args if isinstance(args, list) else [args]
        return [self._nodes[tensor["config"]["keras_history"][0]] for tensor in tensors]

    def _weight(self, path: str, index: int) -> Node:
        """Return one stored dataset as a float32 node, in its own layout."""
        name = f"{path}/{index}"
        value = np.ascontiguousarray(self._weights[name][()])
        constant = ops.constant(value, name=_WEIGHT_PREFIX + name)
        return ops.convert(constant, np.float32) if value.dtype != np.float32 else constant

    def _rescaling(self, layer: Layer, inputs: list[Node], path: str) -> Node:
        pixels = ops.convert(inputs[0], np.float32)
        scaled = ops.multiply(pixels, ops.constant(np.float32(layer["scale"])))
        shifted = ops.add(scaled, ops.constant(np.float32(layer["offset"])))
        return ops.transpose(shifted, ops.constant(np.array(_TO_NCHW, np.int64)))

    def _convolution(self, layer: Layer, inputs: list[Node], path: str) -> Node:
        if layer["use_bias"] or layer["activation"] != "linear" or layer["groups"] != 1:
            raise UnsupportedLayerError(f"no CPU form for the convolution {layer['name']}")
        kernel = ops.transpose(self._weight(path, 0), ops.constant(np.array(_TO_OIHW, np.int64)))
        return ops.convolution(
            inputs[0], kernel, layer["strides"], [0, 0], [0, 0], layer["dilation_rate"],
            auto_pad=_padding(layer),
        )  # fmt: skip

    def _batch_norm(self, layer: Layer, inputs: list[Node], path: str) -> Node:
        if not layer["center"]:
            raise UnsupportedLayerError(f"no CPU form for {layer['name']} without an offset")
        first = 1 if layer["scale"] else 0
        beta, mean, variance = (self._weight(path, first + index) for index in range(3))
        if layer["scale"]:
            gamma = self._weight(path, 0)
        else:
            gamma = ops.constant(np.ones(self._weights[f"{path}/0"].shape, np.float32))
        return ops.batch_norm_inference(inputs[0], gamma, beta, mean, variance, layer["epsilon"])

    def _activation(self, layer: Layer, inputs: list[Node], path: str) -> Node:
        return _activated(inputs[0], layer["activation"])

    def _max_pool(self, layer: Layer, inputs: list[Node], path: str) -> Node:
        pooled = ops.max_pool(
            inputs[0], layer["strides"], [1, 1], [0, 0], [0, 0], layer["pool_size"],
            auto_pad=_padding(layer),
        )  # fmt: skip
        return pooled.output(0)

    def _average_pool(self, layer: Layer, inputs: list[Node], path: str) -> Node:
        # Keras leaves padded pixels out of the average.
        return ops.avg_pool(
            inputs[0], layer["strides"], [0, 0], [0, 0], layer["pool_size"],
            exclude_pad=True, auto_pad=_padding(layer),
        )  # fmt: skip

    def _global_pool(self, layer: Layer, inputs: list[Node], path: str) -> Node:
        axes = ops.constant(np.array([2, 3], np.int64))
        return ops.reduce_mean(inputs[0], axes, keep_dims=False)

    def _dense(self, layer: Layer, inputs: list[Node], path: str) -> Node:
        product = ops.matmul(inputs[0], self._weight(path, 0), False, False)
        return _activated(ops.add(product, self._weight(path, 1)), layer["activation"])


def _activated(node: Node, name: str) -> Node:
    match name:
        case "linear":
            return node
        case "relu":
            return ops.relu(node)
        case "sigmoid":
            return ops.sigmoid(node)
        case "softmax":
            return ops.softmax(node, 1)
    raise UnsupportedLayerError(f"no CPU form for the activation {name}")


def _padding(layer: Layer) -> str:
    return "SAME_UPPER" if layer["padding"] == "same" else "VALID"
