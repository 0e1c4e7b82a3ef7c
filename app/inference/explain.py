"""Why a tag: the part of a picture that speaks for it, by Grad-CAM on the artifact's CPU form.

Reads the last maps before the pooling out of the OpenVINO graph and the head's weights beside
them, so that no TensorFlow is needed. The formula stands in `grad_cam`; drawing is not done here.
"""

import threading

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from app.inference.fit import unusable
from app.inference.grad_cam import DenseHead, Floats, grad_cam
from app.inference.openvino_engine import read_graph
from models.artifact import CPU_GRAPH_FILE, Artifact
from models.manifest import Manifest
from models.preprocessing import to_network_input, to_picture_plane

ACTIVATIONS = {"Softmax", "Sigmoid"}
"""What may stand between logits and scores."""


class OpenVinoExplainer:
    """A `ports.Explainer` on the processor; safe from any thread."""

    def __init__(self, artifact: Artifact, threads: int = 0) -> None:
        """Load and compile the network up to its last maps.

        Args:
            artifact: Verified artifact.
            threads: Processor threads; 0 means all.

        Raises:
            ArtifactError: The network cannot be loaded, or is not maps, their means and dense
                layers.
        """
        core = ov.Core()
        self._manifest = artifact.manifest
        self._places = {tag: place for place, tag in enumerate(artifact.manifest.tags)}
        # the graph reads its weights from this buffer while it is compiled
        self._buffer, graph = read_graph(core, artifact)
        options: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # one picture: full width costs milliseconds
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            maps, self._head = _taken_apart(graph)
            until_maps = ov.Model([maps], graph.get_parameters(), "maps")
            compiled = core.compile_model(until_maps, "CPU", options)
        except (RuntimeError, ValueError) as exc:
            raise unusable(artifact, CPU_GRAPH_FILE, exc) from exc
        self._request = compiled.create_infer_request()
        self._running = threading.Lock()

    @property
    def manifest(self) -> Manifest:
        """What the loaded model says of itself."""
        return self._manifest

    def explain(self, picture: NDArray[np.uint8], tag: str) -> NDArray[np.float32]:
        """Return what of a picture speaks for a trained tag; see `ports.Explainer.explain`."""
        spec = self._manifest.preprocessing
        heat = self.heat_map(to_network_input(picture, spec), tag)
        greatest = float(heat.max())
        if greatest > 0:
            heat = heat / np.float32(greatest)
        return to_picture_plane(heat, picture.shape[0], picture.shape[1], spec)

    def heat_map(self, network_input: NDArray[np.uint8], tag: str) -> NDArray[np.float32]:
        """Return the heat as the network has it.

        Args:
            network_input: `(height, width, 3)` uint8 RGB, made by the manifest's recipe.
            tag: A trained tag.

        Returns:
            `(rows, columns)` float32, 0 and above: 3 by 3 for an input of 139 pixels, 8 by 8 for
            one of 299.

        Raises:
            KeyError: The tag was not trained.
        """
        place = self._places[tag]
        with self._running:
            result = self._request.infer([network_input[np.newaxis]])
            maps = np.array(result[0][0], np.float32)
        return grad_cam(maps, self._head, place)


def _taken_apart(graph: ov.Model) -> tuple[ov.Output, DenseHead]:
    """Return the maps whose means are the features, and the dense layers behind the features.

    Raises:
        ValueError: The network is built in another way.
    """
    pooling = graph.output("features").get_node().input_value(0).get_node()
    scores = graph.output("scores").get_node().input_value(0).get_node()
    if pooling.get_type_name() != "ReduceMean":
        raise ValueError("its features are not the means of maps: nothing can be pointed at")
    maps = pooling.input_value(0)
    axes = pooling.input_value(1).get_node().get_data()
    if len(maps.get_partial_shape()) != 4 or sorted(np.ravel(axes)) != [2, 3]:
        raise ValueError("its features are not the means of maps over height and width")
    if scores.get_type_name() not in ACTIVATIONS:
        raise ValueError(f"its scores come out of {scores.get_type_name()}")
    layers: list[tuple[Floats, Floats]] = []
    node = scores.input_value(0).get_node()
    while True:
        node = _dense(node, layers)
        if node.get_friendly_name() == pooling.get_friendly_name():
            return maps, DenseHead(layers[::-1])
        if node.get_type_name() != "Relu":
            raise ValueError(f"its head has {node.get_type_name()} between dense layers")
        node = node.input_value(0).get_node()


def _dense(node: ov.Node, layers: list[tuple[Floats, Floats]]) -> ov.Node:
    """Add the dense layer that ends in `node` to `layers`; return what it takes its input from."""
    bias = None
    if node.get_type_name() == "Add":
        bias = _constant(node.input_value(1).get_node())
        node = node.input_value(0).get_node()
    if node.get_type_name() != "MatMul":
        raise ValueError(f"its head has {node.get_type_name()} where a dense layer should be")
    turned = node.get_attributes()
    weights = _constant(node.input_value(1).get_node())
    if turned["transpose_a"] or turned["transpose_b"] or weights.ndim != 2:
        raise ValueError("its head multiplies in another way than a dense layer")
    no_bias = np.zeros(weights.shape[1], np.float32)
    layers.append((weights, no_bias if bias is None else bias.reshape(-1)))
    return node.input_value(0).get_node()


def _constant(node: ov.Node) -> Floats:
    """Return a weight, perhaps stored in fewer bits, as float32 of its own."""
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        raise ValueError(f"its head has weights made by {node.get_type_name()}")
    return np.array(node.get_data(), np.float32)
