import subprocess
import sys

import pytest
from typer.testing import CliRunner

from models.artifact import STARTER_DIR
from training.cli import app

runner = CliRunner()


def test_help_teaches_without_loading_tensorflow():
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from training.cli import app\n"
        "result = CliRunner().invoke(app, ['--help'])\n"
        "assert result.exit_code == 0, result.output\n"
        "assert 'reeltag-train --data' in result.output\n"
        "assert not {'tensorflow', 'keras', 'openvino'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def spoken(*arguments: str) -> tuple[int, str]:
    result = runner.invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, " ".join(result.output.split())


def test_missing_options_are_named():
    assert spoken("--epochs", "3") == (
        2, "reeltag-train: --data and --out are needed; `reeltag-train --help` explains them",
    )  # fmt: skip


def test_empty_folder_is_one_clear_line(tmp_path):
    code, said = spoken("--data", tmp_path, "--out", tmp_path / "out")
    assert code == 1
    assert said.startswith("reeltag-train: ")
    assert "no pictures found; lay them in a folder per tag" in said


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--input-px", "50", "input_px is at least 75"),
        ("--head", "both", "head is one of softmax, sigmoid"),
        ("--measure", "tomorrow", "the split is one of train, validation, test"),
    ],
    ids=["input", "head", "split"],
)
def test_a_choice_out_of_range_is_a_usage_error(drawn_data, tmp_path, option, value, message):
    code, said = spoken("--data", drawn_data, "--out", tmp_path / "out", option, value)
    assert code == 2
    assert message in said


def test_evaluating_what_is_no_artifact_says_what_is_missing(drawn_data, tmp_path):
    code, said = spoken("evaluate", tmp_path, "--data", drawn_data, "--out", tmp_path)
    assert code == 1
    assert "manifest.json cannot be read" in said


@pytest.mark.parametrize(
    ("mishap", "code", "message"),
    [
        (OSError(28, "No space left on device"), 1, "no space left; the last good checkpoint"),
        (RuntimeError("unable to flush: error message = 'No space left on device'"), 1, "no space"),
        (KeyboardInterrupt(), 130, "interrupted; the last checkpoint remains"),
    ],
    ids=["disk full", "disk full says the library", "interrupted"],
)
def test_a_cut_short_run_says_what_remains(tmp_path, monkeypatch, mishap, code, message):
    def cut_short(*args: object, **options: object) -> None:
        raise mishap

    monkeypatch.setattr("training.cli.read_collection", cut_short)
    found, said = spoken("--data", tmp_path, "--out", tmp_path / "out")
    assert found == code
    assert message in said


def test_lessons_refuse_choices_of_a_whole_training(tmp_path):
    folder, base = tmp_path / "corrections", str(STARTER_DIR)
    code, said = spoken("--from-features", folder, "--base", base, "--out", tmp_path / "out",
                        "--input-px", "139")  # fmt: skip
    assert (code, said) == (
        2, "reeltag-train: --input-px is not for a head that learns from features",
    )  # fmt: skip
    code, said = spoken("--from-features", folder, "--data", folder, "--out", tmp_path / "out")
    assert (code, said) == (2, "reeltag-train: --data and --from-features do not go together")


@pytest.mark.parametrize("base", ["none", "imagenet"])
def test_lessons_need_an_artifact_to_begin_with(tmp_path, base):
    code, said = spoken("--from-features", tmp_path, "--base", base, "--out", tmp_path / "out")
    assert code == 1
    assert "no such directory" in said


def test_server_that_is_away_is_one_clear_line(tmp_path):
    code, said = spoken("from-corrections", "--server", "http://127.0.0.1:9", "--out",
                        tmp_path / "out")  # fmt: skip
    assert code == 1
    assert said.startswith("reeltag-train: http://127.0.0.1:9: ")
