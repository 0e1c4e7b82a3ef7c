"""Pictures of an evaluation: which are shown, how they lie in a page, where the network looks.

Knows scores and picture files; knows no HTML beyond the address of an inlined picture.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.artifact import Artifact
from models.preprocessing import Pictures, resized, to_network_input, to_picture_plane
from training.evaluate import Scored
from training.store import read_picture

SHOWN_PX = 224
"""Longest side of a picture in the page."""

JPEG_QUALITY = 80
SHOWN = 12
SHOWN_OF_ONE_TAG = 2
LOOKED_INTO = 6
"""Of the pictures shown, right and wrong each, those with heat laid over them."""

_HEAT_STRENGTH = 0.6


@dataclass(frozen=True, slots=True)
class Look:
    """Where the network looks for one tag.

    Attributes:
        tag: Which.
        picture: `(height, width, 3)` uint8 RGB, the heat laid over it.
    """

    tag: str
    picture: Pictures


@dataclass(frozen=True, slots=True)
class Example:
    """One picture of the split.

    Attributes:
        picture: `(height, width, 3)` uint8 RGB, at most `SHOWN_PX`.
        name: Of its file.
        own: Its tags.
        best: The best tag and its score.
        looks: Heat for the best tag and, where that is wrong, for its own surest one.
    """

    picture: Pictures
    name: str
    own: tuple[str, ...]
    best: tuple[str, float]
    looks: tuple[Look, ...] = ()


def surest(scored: Scored, *, right: bool) -> list[int]:
    """Return the rows with the surest best tag that is right, or wrong; the surest first.

    At most `SHOWN`, and at most `SHOWN_OF_ONE_TAG` with the same best tag.
    """
    best = scored.scores.argmax(axis=1)
    rows = np.arange(len(best))
    fitting = rows[(scored.truth[rows, best] > 0) == right]
    ranked = fitting[np.argsort(-scored.scores[fitting, best[fitting]], kind="stable")]
    seen: Counter[int] = Counter()
    chosen: list[int] = []
    for row in ranked.tolist():
        seen[int(best[row])] += 1
        if seen[int(best[row])] <= SHOWN_OF_ONE_TAG:
            chosen.append(row)
        if len(chosen) == SHOWN:
            break
    return chosen


def examples(scored: Scored, artifact: Artifact, rows: Sequence[int]) -> list[Example]:
    """Read the pictures of these rows, without looks."""
    tags = artifact.manifest.tags
    found = []
    for row in rows:
        labelled, best = scored.pictures[row], int(scored.scores[row].argmax())
        found.append(
            Example(
                picture=_shrunk(read_picture(labelled.file)),
                name=labelled.file.name,
                own=labelled.tags,
                best=(tags[best], float(scored.scores[row, best])),
            )
        )
    return found


def looks(scored: Scored, artifact: Artifact, rows: Sequence[int]) -> tuple[str, list[list[Look]]]:
    """Lay heat over the pictures of these rows; needs TensorFlow.

    Returns:
        The name of the layer that the heat is of, and the looks of each row.
    """
    from training.grad_cam import GradCam

    manifest = artifact.manifest
    pictures = [read_picture(scored.pictures[row].file) for row in rows]
    asked = [(number, place) for number, row in enumerate(rows) for place in _places(scored, row)]
    network = GradCam(artifact.path)
    inputs = [to_network_input(pictures[number], manifest.preprocessing) for number, _ in asked]
    found: list[list[Look]] = [[] for _ in rows]
    if not asked:
        return network.layer, found
    heats = network.heat(np.stack(inputs), np.array([place for _, place in asked]))
    for (number, place), heat in zip(asked, heats, strict=True):
        height, width = pictures[number].shape[:2]
        plane = to_picture_plane(heat, height, width, manifest.preprocessing)
        laid = overlaid(pictures[number], plane)
        found[number].append(Look(manifest.tags[place], _shrunk(laid)))
    return network.layer, found


def overlaid(picture: Pictures, plane: NDArray[np.float32]) -> Pictures:
    """Lay heat over a picture.

    Args:
        picture: `(height, width, 3)` uint8 RGB.
        plane: `(height, width)` in [0, 1].

    Returns:
        The picture, the more coloured (blue to red) the hotter; untouched where the heat is 0.
    """
    colours = cv2.applyColorMap((plane * 255).astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1]
    share = _HEAT_STRENGTH * plane[..., None]
    return np.asarray(np.rint(picture * (1 - share) + colours * share), np.uint8)


def data_address(picture: Pictures) -> str:
    """Return the picture as a JPEG inside its own address (`data:`)."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, packed = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), options)
    return "data:image/jpeg;base64," + base64.b64encode(packed.tobytes()).decode("ascii")


def _places(scored: Scored, row: int) -> list[int]:
    """Return the best tag and, where it is wrong, the surest of the picture's own."""
    best = int(scored.scores[row].argmax())
    if scored.truth[row, best] > 0:
        return [best]
    own = np.where(scored.truth[row] > 0, scored.scores[row], -1)
    return [best, int(own.argmax())]


def _shrunk(picture: Pictures) -> Pictures:
    height, width = picture.shape[:2]
    scale = SHOWN_PX / max(height, width)
    if scale >= 1:
        return picture
    return resized(picture, max(1, round(width * scale)), max(1, round(height * scale)))
