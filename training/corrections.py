"""From the verdicts of a library to a dataset: key frames, what is known of them, their features.

Asks a running service over its REST interface. Lays pictures, a manifest as training reads it,
and the stored features of the same rows; trains nothing.
"""

import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.vocabulary import TAGS
from reeltag.client import Client, walk
from reeltag.errors import FeaturesNotFound
from reeltag.types import Film
from training.dataset import MANIFEST_FILE, LabelledPicture, split_by_group
from training.errors import BadDataError
from training.judgements import Judgements, judge_frames

FEATURES_FILE = "features.npy"
"""`(pictures, 2048)` float16, a row for each row of the manifest."""

ORIGIN_FILE = "features.json"
PICTURES_DIR = "pictures"
SOURCE = "Corrections of films"
LICENCE = "as the films of the library"

COLUMNS = (
    "file", "tags", "rejected_tags", "split", "group", "source_dataset", "licence", "n", "time_s"
)  # fmt: skip

_PAGE = 200

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the features of a dataset come from.

    Attributes:
        base_id: The convolutional base that gave them.
        model_version: The model that was active.
        films: Films with something known.
        frames: Key frames, and rows of features.
    """

    base_id: str
    model_version: str
    films: int
    frames: int


@dataclass(frozen=True, slots=True)
class _Taken:
    """The judged key frames of one film: times, pictures' bytes stay on disk."""

    film_id: str
    judged: Judgements
    times_s: dict[int, float]
    features: NDArray[np.float16]


def build_dataset(
    client: Client, out: Path, *, seed: int = 1, say: Say = lambda line: None
) -> Origin:
    """Take all key frames with verdicts out of a library.

    Films whose features are gone or come from another base than the active model's are left out
    with a line that says so.

    Args:
        client: The service.
        out: Directory of the dataset; replaced as a whole when all went well.
        seed: Decides which films stand on which side of the split.
        say: Told what was left out.

    Returns:
        What was taken.

    Raises:
        BadDataError: No model is active, or no key frame has a verdict.
        ReeltagError: The service refused or is away. `out` is as it was.
    """
    active = next((model for model in client.list_models().items if model.active), None)
    if active is None:
        raise BadDataError("the service has no active model, so its features have no base")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    films = walk(client.list_films, sort="created_at", limit=_PAGE)
    found = [_take(client, film, active.base_id, part, say) for film in films]
    taken = [one for one in found if one is not None]
    if not taken:
        raise BadDataError(
            "no key frame with stored features has a verdict; accept, reject or add tags first"
        )
    rows = _rows(taken, seed)
    with (part / MANIFEST_FILE).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    np.save(part / FEATURES_FILE, np.concatenate([one.features for one in taken]))
    origin = Origin(active.base_id, active.version, len(taken), len(rows))
    text = json.dumps(asdict(origin), indent=2)
    (part / ORIGIN_FILE).write_text(text + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return origin


def _take(client: Client, film: Film, base_id: str, folder: Path, say: Say) -> _Taken | None:
    """Fetch what is known of one film, and its pictures into `folder`; None: nothing is."""
    verdicts = list(walk(client.list_verdicts, film.id, limit=_PAGE))
    if not verdicts:
        return None
    frames = list(walk(client.list_frames, film.id, top_k=len(TAGS), limit=_PAGE))
    judged = judge_frames(frames, verdicts)
    if not judged:
        say(f"left out {film.title} ({film.id}): its verdicts speak of no key frame")
        return None
    try:
        stored = client.get_film_features(film.id)
    except FeaturesNotFound as exc:
        say(f"left out {film.title} ({film.id}): {exc.detail}")
        return None
    if stored.base_id != base_id:
        say(
            f"left out {film.title} ({film.id}): its features are of another base; "
            "`reeltag films retag --stale` tags it anew"
        )
        return None
    features = np.load(io.BytesIO(stored.content), allow_pickle=False)
    if features.ndim != 2 or len(features) != len(frames):
        say(f"left out {film.title} ({film.id}): it was tagged anew meanwhile; try again")
        return None
    place = folder / PICTURES_DIR / film.id
    place.mkdir(parents=True)
    for n in judged:
        (place / _file_name(n)).write_bytes(client.get_frame_image(film.id, n))
    times_s = {frame.n: frame.time_s for frame in frames}
    return _Taken(film.id, judged, times_s, features[list(judged)].astype(np.float16))


def _rows(taken: Sequence[_Taken], seed: int) -> list[dict[str, object]]:
    """Write what is known as rows of the manifest; whole films stand on one side of the split."""
    rows: list[dict[str, object]] = []
    pictures = []
    for film in taken:
        for n, known in film.judged.items():
            holds = tuple(tag for tag in TAGS if known.get(tag) is True)
            holds_not = tuple(tag for tag in TAGS if known.get(tag) is False)
            name = f"{PICTURES_DIR}/{film.film_id}/{_file_name(n)}"
            rows.append(
                {"file": name, "tags": ";".join(holds), "rejected_tags": ";".join(holds_not),
                 "group": film.film_id, "source_dataset": SOURCE, "licence": LICENCE,
                 "n": n, "time_s": round(film.times_s[n], 3)}
            )  # fmt: skip
            # both sides of a tag are dealt, so that a split can measure it
            pictures.append(LabelledPicture(Path(name), holds or holds_not, "", film.film_id))
    for row, picture in zip(rows, split_by_group(pictures, seed), strict=True):
        row["split"] = picture.split
    return rows


def _file_name(n: int) -> str:
    return f"{n:06d}.jpg"
