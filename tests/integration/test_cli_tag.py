"""`reeltag tag` on drawn films with the real decoder and a real, small network."""

import json
from pathlib import Path

import pytest
import typer

from app.cli_tag import tag_files
from app.domain.films import Sampling
from app.inference.batcher import BatchingClassifier
from app.inference.classifier import choose_engine
from app.pipeline import analyse_film
from app.video.sandbox import SandboxedReader
from models.artifact import Artifact
from tests.artifacts import write_artifact
from tests.media import Encoding, cut_shots, draw_film


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    encoding = Encoding(size=(160, 90))
    return [draw_film(folder / f"film {n}.mp4", cut_shots(n + 2), encoding).path for n in (0, 1)]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return write_artifact(tmp_path_factory.mktemp("model"))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.mp4"
    path.write_text("this is no film\n" * 100)
    return path


def test_json_of_one_film_is_what_the_pipeline_found(
    films: list[Path], artifact: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    code = tag_files(
        films[:1], as_json=True, sampling="interval:0.5", top_k=2, model=artifact.path,
        precision="fp32",
    )  # fmt: skip
    document = json.loads(capsys.readouterr().out)
    with BatchingClassifier(choose_engine(artifact, "openvino", "fp32")) as classifier:
        wanted = analyse_film(
            films[0], SandboxedReader(), classifier, Sampling("interval", 0.5), top_k=2
        )
    assert code == 0
    assert list(document) == [
        "film", "duration_s", "model_version", "sampling", "shots", "tags", "segments", "frames",
    ]  # fmt: skip
    assert document["film"] == str(films[0])
    assert document["duration_s"] == pytest.approx(4.0, abs=1e-6)
    assert (document["model_version"], document["sampling"]) == ("fake-1", "interval:0.5")
    assert [(shot["start_s"], shot["end_s"]) for shot in document["shots"]] == [
        (pytest.approx(shot.shot.start_s), pytest.approx(shot.shot.end_s)) for shot in wanted.shots
    ]
    assert [tag["tag"] for tag in document["tags"]] == [tag.tag for tag in wanted.tags]
    assert set(document["tags"][0]) == {
        "tag", "score", "coverage_s", "shot_count", "first_s", "source",
    }  # fmt: skip
    assert [(part["tag"], part["start_s"]) for part in document["segments"]] == [
        (segment.tag, pytest.approx(segment.start_s)) for segment in wanted.segments
    ]
    frames = [frame for shot in wanted.shots for frame in shot.frames]
    assert len(document["frames"]) == len(frames) == 8
    assert all(len(frame["tags"]) == 2 for frame in document["frames"])
    best = document["frames"][0]["tags"][0]
    assert best["score"] == pytest.approx(float(frames[0].scores.max()), abs=1e-5)


def test_several_films_make_one_array_and_a_bad_one_does_not_stop_the_others(
    films: list[Path], text: Path, artifact: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = text.with_name("missing.mp4")
    code = tag_files(
        [films[0], text, missing, films[1]], as_json=True, sampling="keyframes",
        model=artifact.path,
    )  # fmt: skip
    out, err = capsys.readouterr()
    assert code == 1
    assert [document["film"] for document in json.loads(out)] == [str(film) for film in films]
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"reeltag: {text}: ")
    assert lines[1] == f"reeltag: {missing}: no such file"


def test_file_that_is_no_film_prints_one_line_and_nothing_else(
    text: Path, artifact: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tag_files([text], as_json=True, model=artifact.path) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


def test_tables_name_film_tags_and_their_segments(
    films: list[Path], artifact: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tag_files(films[1:], model=artifact.path) == 0
    tables = capsys.readouterr().out
    assert tag_files(films[1:], as_json=True, model=artifact.path) == 0
    document = json.loads(capsys.readouterr().out)
    assert str(films[1]) in tables
    assert "0:00:06.0" in tables
    first = document["tags"][0]
    row = next(line for line in tables.splitlines() if line.startswith(first["tag"]))
    assert f"{first['score']:.3f}" in row
    below = tables.split("segment", 1)[1]
    kept = {tag["tag"] for tag in document["tags"]}
    starts = [line for line in below.splitlines() if line.startswith(tuple(kept))]
    assert len(starts) == sum(segment["tag"] in kept for segment in document["segments"])


@pytest.mark.parametrize(
    "options",
    [{"sampling": "sometimes"}, {"sampling": "interval:0"}, {"precision": "int3"}],
    ids=["sampling", "interval", "precision"],
)
def test_option_that_means_nothing_is_a_usage_error(
    films: list[Path], options: dict[str, str]
) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        tag_files(films, **options)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
