"""The network of an artifact on a processor, by OpenVINO.

Reads the artifact's CPU form and knows nothing of Keras. Measured beside Keras in
`benchmarks/inference.py`.
"""

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from app.errors import ArtifactError
from app.inference.fit import ANY, require_shapes, unusable
from app.ports import FrameScores
from models.artifact import CPU_GRAPH_FILE, Artifact, BadArtifactError
from models.cpu_form import read_cpu_weights
from models.manifest import Manifest

MAX_BATCH_SIZE = 16
"""Larger batches are not faster: at 299 px 75 pictures/s for one, 81 for 8, 77 for 32."""


class OpenVinoEngine:
    """A `ports.Engine` on the processor; takes batches of any size without padding."""

    def __init__(self, artifact: Artifact, precision: str = "auto", threads: int = 0) -> None:
        """Load and compile the network.

        Args:
            artifact: Verified artifact.
            precision: ``fp32``, ``bf16``, or ``auto``: bf16 where the processor computes in it.
            threads: Processor threads; 0 means all.

        Raises:
            ArtifactError: The network cannot be loaded or is not what the manifest says.
        """
        core = ov.Core()
        self._manifest = artifact.manifest
        self._precision = _resolved(core, precision)
        # the graph reads its weights from this buffer while it is compiled
        self._buffer, graph = read_graph(core, artifact)
        options: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",  # one batch at a time on all threads
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[self._precision],
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            head = _head_of(graph, artifact)
            compiled = core.compile_model(graph, "CPU", options)
            # a thousandth of the network's work: full width costs nothing here
            compiled_head = core.compile_model(head, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except RuntimeError as exc:
            raise unusable(artifact, CPU_GRAPH_FILE, exc) from exc
        self._head = compiled_head.create_infer_request()
        self._scores = compiled.output("scores")
        self._features = compiled.output("features")
        self._request = compiled.create_infer_request()

    @property
    def manifest(self) -> Manifest:
        """What the loaded model says of itself."""
        return self._manifest

    @property
    def device(self) -> str:
        """``openvino:CPU:bf16`` or ``openvino:CPU:fp32``."""
        return f"openvino:CPU:{self._precision}"

    def infer(self, inputs: NDArray[np.uint8]) -> FrameScores:
        """Run one batch, `(n, height, width, 3)` uint8 RGB of the manifest's input size."""
        result = self._request.infer([np.ascontiguousarray(inputs)], share_inputs=True)
        return FrameScores(
            np.array(result[self._scores], np.float32),
            np.array(result[self._features]).astype(np.float16),
        )

    def score_features(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        """Score stored features, `(n, feature_size)`, of any engine with the same base."""
        result = self._head.infer([np.ascontiguousarray(features, np.float32)])
        return np.array(result[0], np.float32)


def _resolved(core: ov.Core, precision: str) -> str:
    if precision not in {"auto", "fp32", "bf16"}:
        raise ArtifactError(f"precision is auto, fp32 or bf16, not {precision!r}")
    if precision != "auto":
        return precision
    return "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"


def read_graph(core: ov.Core, artifact: Artifact) -> tuple[NDArray[np.uint8], ov.Model]:
    """Read the graph with its weights and compare its shapes with the manifest.

    Args:
        core: Reads it.
        artifact: Verified artifact.

    Returns:
        The buffer that holds the weights, which must outlive the reading and compiling of the
        graph, and the graph.

    Raises:
        ArtifactError: It cannot be read or is not what the manifest says.
    """
    try:
        buffer = read_cpu_weights(artifact)
    except BadArtifactError as exc:
        raise ArtifactError(str(exc)) from exc
    text = artifact.file(CPU_GRAPH_FILE).read_bytes()
    try:
        graph = core.read_model(text, ov.Tensor(buffer))
        picture = graph.input(0).partial_shape
        scores, features = (graph.output(name) for name in ("scores", "features"))
    except RuntimeError as exc:
        raise unusable(artifact, CPU_GRAPH_FILE, exc) from exc
    if len(picture) != 4 or graph.input(0).element_type != ov.Type.u8:
        raise unusable(artifact, CPU_GRAPH_FILE, "does not take pictures of bytes")
    require_shapes(
        artifact,
        CPU_GRAPH_FILE,
        (_length(picture[1]), _length(picture[2])),
        _length(scores.partial_shape[-1]),
        _length(features.partial_shape[-1]),
    )
    return buffer, graph


def _head_of(graph: ov.Model, artifact: Artifact) -> ov.Model:
    """Cut off what stands behind the features, as a graph of its own.

    The copy shares the weights' buffer with `graph`, which stays as it is.

    Raises:
        ArtifactError: The scores do not follow from the features alone.
    """
    copy = graph.clone()
    features = copy.output("features").get_node().input_value(0)
    scores = copy.output("scores").get_node().input_value(0)
    rows = ops.parameter([-1, artifact.manifest.feature_size], np.float32, name="stored_features")
    features.replace(ops.convert(rows, features.get_element_type()).output(0))
    try:
        return ov.Model([ops.result(scores)], [rows], "head")
    except RuntimeError as exc:
        reason = "its scores do not follow from its features alone"
        raise unusable(artifact, CPU_GRAPH_FILE, reason) from exc


def _length(dimension: ov.Dimension) -> int:
    return ANY if dimension.is_dynamic else int(dimension.get_length())
