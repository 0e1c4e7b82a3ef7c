"""Humans correct, a head learns, the library is tagged anew: real processes, the real starter."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.artifact import STARTER_DIR, load_artifact
from reeltag.client import Client, walk
from reeltag.types import Film, Frame
from tests.media import DrawnShot, Encoding, draw_film
from tests.processes import Library, library, wait_until
from training.metrics import average_precision

pytestmark = pytest.mark.slow

LOOKS = ("explosion", "city", "beach", "desert", "dance")
SHOT_S = 1.5
FILMS = 6
CORRECTED = 5
"""The last film is never corrected: what is learned must hold for it too."""

TAG = "War"
"""What the humans of this test call an explosion; the starter hardly ever does."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with library(tmp_path_factory.mktemp("library")) as opened:
        yield opened


def drawn(folder: Path, number: int) -> Path:
    path = folder / f"{number}.mp4"
    shots = [DrawnShot(SHOT_S, look, number) for look in LOOKS]
    draw_film(path, shots, Encoding(size=(320, 180)))
    return path


def look_at(time_s: float) -> str:
    return LOOKS[min(int(time_s / SHOT_S), len(LOOKS) - 1)]


def correct(client: Client, film: Film, frames: list[Frame]) -> None:
    """Say what a patient human would of explosions, in all three scopes."""
    for frame in frames:
        if look_at(frame.time_s) == "explosion":
            client.add_verdict(film.id, TAG, "accepted", frame=frame.n)
        if look_at(frame.time_s) == "city":
            client.add_verdict(film.id, TAG, "rejected", frame=frame.n)
    client.add_verdict(film.id, "Dance", "rejected", start_s=0.0, end_s=SHOT_S)
    client.add_verdict(film.id, "Desert", "accepted")


def precision_of(house: Library, tag: str, look: str, films: list[Film]) -> float:
    """Average precision of a tag's stored scores over the films' key frames."""
    found = [frame for film in films for shot in house.shots(film.id) for frame in shot.frames]
    column = load_artifact(STARTER_DIR).manifest.tags.index(tag)
    scores: NDArray[np.float32] = np.array([frame.scores[column] for frame in found])
    truth = np.array([look_at(frame.time_s) == look for frame in found], np.float32)
    return average_precision(scores, truth)


def run(house: Library, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=house.environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_corrections_teach_a_head_that_tags_the_library_better(
    house: Library, tmp_path: Path
) -> None:
    _, address = house.serve()
    with Client(address) as client:
        added = [client.add_film(drawn(tmp_path, number)).film for number in range(FILMS)]
        films = [client.wait(film.id, timeout_s=300) for film in added]
        frames = {film.id: list(walk(client.list_frames, film.id)) for film in films}
        before = {
            "all": precision_of(house, TAG, "explosion", films),
            "uncorrected": precision_of(house, TAG, "explosion", films[CORRECTED:]),
            "desert": precision_of(house, "Desert", "desert", films),
        }

        queue = list(walk(client.list_review, limit=7))
        assert len(queue) == sum(map(len, frames.values()))
        assert [one.margin for one in queue] == sorted(one.margin for one in queue)
        for film in films[:CORRECTED]:
            correct(client, film, frames[film.id])
        left = list(walk(client.list_review, limit=7))
        unsure = {film.id for film in films[CORRECTED:]}
        assert {one.film_id for one in left} >= unsure
        assert not {look_at(one.time_s) for one in left if one.film_id not in unsure} & {
            "explosion", "city"
        }  # fmt: skip

        data, artifact = tmp_path / "corrections", tmp_path / "starter-2"
        run(house, "training", "from-corrections", "--server", address, "--out", str(data))
        said = run(
            house, "training", "--from-features", str(data), "--base", str(STARTER_DIR),
            "--out", str(artifact),
        )  # fmt: skip
        assert f"{TAG}: average precision" in said, "it was measured on films held out"
        made = load_artifact(artifact).manifest
        assert made.base_id == load_artifact(STARTER_DIR).manifest.base_id

        run(house, "app.cli", "models", "add", str(artifact))
        run(house, "app.cli", "models", "activate", "starter-2")
        for film in films:  # a run that decoded one would fail
            source = house.film(film.id).source_key
            house.services.storage.put_bytes(source, b"this is no film any more")
        run(house, "app.cli", "films", "retag", "--stale")
        wait_until(
            lambda: all(
                (found := client.get_film(film.id)).status == "done"
                and found.model_version == "starter-2"
                for film in films
            ),
            f"the library is tagged anew\n{house.log()}",
        )

        assert precision_of(house, TAG, "explosion", films) > before["all"] + 0.3
        rest = precision_of(house, TAG, "explosion", films[CORRECTED:])
        assert rest > before["uncorrected"]
        assert precision_of(house, "Desert", "desert", films) >= before["desert"] - 0.05
        first = client.list_frames(films[-1].id).items[0]
        assert TAG in {one.tag for one in first.tags}, "readers see it in a film nobody corrected"
        verdicts = client.list_verdicts(films[0].id, limit=100).items
        assert len(verdicts) >= 4, "what humans said survives"
