"""`reeltag tag`: films in, tags out, without a server and without storing anything.

Turns an analysis into tables for people and JSON for programs. Imported only when the command
runs: it needs the decoder and the network.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.bootstrap import build_classifier, build_reader
from app.cli_library import print_json, print_table
from app.config import Settings
from app.domain.films import Sampling, Stage
from app.domain.tags import DEFAULT_TOP_K, top_tags
from app.errors import ReeltagError, VideoError
from app.pipeline import FilmAnalysis, analyse_film
from app.ports import FilmReader, FrameClassifier

DIGITS = 6
"""Digits behind the point in JSON: microseconds, and more than a float32 score carries."""


def tag_files(
    files: Sequence[Path],
    *,
    as_json: bool = False,
    sampling: str | None = None,
    top_k: int = DEFAULT_TOP_K,
    model: Path | None = None,
    precision: str | None = None,
) -> int:
    """Tag films one after the other and print what was found on standard output.

    Progress and refusals go to standard error. JSON is one object for a single file and an array
    for several, in their order, without those that are not films.

    Args:
        files: Films on the local disk.
        as_json: Print JSON instead of tables.
        sampling: As `Sampling.parse` reads it; None takes the configured one.
        top_k: Tags that each shot may speak for.
        model: Directory of an artifact; None takes the configured one.
        precision: ``auto``, ``fp32`` or ``bf16``; None takes the configured one.

    Returns:
        The exit code: 0, or 1 where a file is not a film.

    Raises:
        typer.BadParameter: An option means nothing.
        ArtifactError: The model cannot be used.
    """
    settings = _settings(model, precision)
    wanted = _sampling(sampling or settings.sampling)
    reader = build_reader(settings)
    analyses: list[tuple[Path, FilmAnalysis]] = []
    with build_classifier(settings) as classifier:
        for file in files:
            try:
                analysis = _analyse(file, reader, classifier, wanted, top_k)
            except VideoError as exc:
                _complain(file, exc)
                continue
            analyses.append((file, analysis))
            for warning in analysis.warnings:
                typer.echo(f"reeltag: {file}: {warning}", err=True)
            if not as_json:
                _print_tables(file, analysis)
        if as_json:
            tags = classifier.manifest.tags
            documents = [_document(file, found, tags, top_k) for file, found in analyses]
            _print_json(documents, single=len(files) == 1)
    return 0 if len(analyses) == len(files) else 1


def _settings(model: Path | None, precision: str | None) -> Settings:
    given = {"model_path": model, "precision": precision}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    settings = Settings()
    try:
        return Settings.model_validate(settings.model_dump() | changes)
    except ValidationError as exc:
        raise typer.BadParameter(exc.errors()[0]["msg"]) from exc


def _sampling(text: str) -> Sampling:
    try:
        return Sampling.parse(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _analyse(
    file: Path, reader: FilmReader, classifier: FrameClassifier, sampling: Sampling, top_k: int
) -> FilmAnalysis:
    if not file.is_file():
        raise VideoError("no such file")
    with _progress_bar() as progress:
        bar = progress.add_task(Stage.PROBING.value, total=1.0, film=file.name)

        def show(stage: Stage, fraction: float) -> None:
            progress.update(bar, description=stage.value, completed=fraction)

        return analyse_film(file, reader, classifier, sampling, top_k, show)


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    """Show a bar on standard error while the context lasts, nothing where nobody looks."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.fields[film]} {task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield progress


def _complain(file: Path, error: ReeltagError) -> None:
    typer.echo(f"reeltag: {file}: {str(error) or error.title}", err=True)


def _print_tables(file: Path, analysis: FilmAnalysis) -> None:
    shots, frames = len(analysis.shots), sum(len(shot.frames) for shot in analysis.shots)
    typer.echo(
        f"{file}  {_clock(analysis.duration_s)}, {shots} shots, {frames} key frames "
        f"({analysis.sampling}), model {analysis.model_version}"
    )
    print_table(
        ("film tag", "score", "covers", "shots", "first"),
        [
            (tag.tag, f"{tag.score:.3f}", f"{tag.coverage_s:.1f} s", tag.shot_count,
             _clock(tag.first_s))
            for tag in analysis.tags
        ],
        "No tag is sure enough.",
    )  # fmt: skip
    kept = {tag.tag for tag in analysis.tags}
    typer.echo()
    print_table(
        ("segment", "from", "to", "score"),
        [
            (segment.tag, _clock(segment.start_s), _clock(segment.end_s), f"{segment.score:.3f}")
            for segment in analysis.segments
            if segment.tag in kept
        ],
        "No segments.",
    )
    typer.echo()


def _clock(seconds: float | None) -> str:
    """Return seconds as ``h:mm:ss.t``."""
    if seconds is None:
        return "-"
    tenths = round(seconds * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"


def _document(
    file: Path, analysis: FilmAnalysis, tags: Sequence[str], top_k: int
) -> dict[str, Any]:
    """Return what `--json` prints of one film."""
    return {
        "film": str(file),
        "duration_s": _short(analysis.duration_s),
        "model_version": analysis.model_version,
        "sampling": str(analysis.sampling),
        "shots": [
            {"start_s": _short(shot.shot.start_s), "end_s": _short(shot.shot.end_s)}
            for shot in analysis.shots
        ],
        "tags": [
            {
                "tag": tag.tag,
                "score": _short(tag.score),
                "coverage_s": _short(tag.coverage_s),
                "shot_count": tag.shot_count,
                "first_s": None if tag.first_s is None else _short(tag.first_s),
                "source": tag.source,
            }
            for tag in analysis.tags
        ],
        "segments": [
            {
                "tag": segment.tag,
                "start_s": _short(segment.start_s),
                "end_s": _short(segment.end_s),
                "score": _short(segment.score),
            }
            for segment in analysis.segments
        ],
        "frames": [
            {
                "time_s": _short(frame.time_s),
                "tags": [
                    {"tag": found.tag, "score": _short(found.score)}
                    for found in top_tags(frame.scores, tags, top_k)
                ],
            }
            for shot in analysis.shots
            for frame in shot.frames
        ],
    }


def _print_json(documents: Sequence[dict[str, Any]], *, single: bool) -> None:
    if single and not documents:
        return
    value = documents[0] if single else documents
    print_json(value)


def _short(number: float) -> float:
    return round(float(number), DIGITS)
