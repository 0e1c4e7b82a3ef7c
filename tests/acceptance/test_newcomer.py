"""What a newcomer tries first: the demonstration, and the lines of the README."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media import sample_film
from tests.processes import library

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "film.mp4"
    sample_film(path)
    return path


@pytest.fixture
def service(tmp_path):
    with library(tmp_path / "data") as opened:
        process, address = opened.serve()
        yield address
        process.terminate()
        assert process.wait(timeout=60) == 0, opened.log()


def readme_lines() -> str:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 1
    return blocks[0]


def test_the_curl_lines_of_the_readme_run(sample, service, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("NOT TESTED: the README's examples need curl")
    shutil.copy(sample, tmp_path / "film.mp4")
    lines = readme_lines().replace("curl ", "curl --fail-with-body ")
    assert "http://127.0.0.1:8000" in lines
    script = "set -eu\n" + lines.replace("http://127.0.0.1:8000", service)
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for picture in ("frame.jpg", "why.jpg", "sheet.jpg"):
        assert (tmp_path / picture).read_bytes().startswith(b"\xff\xd8"), picture
    assert '"status":"done"' in done.stdout.replace(" ", "")


def test_the_demonstration_shows_tags_and_stops_cleanly(sample):
    done = subprocess.run(
        [sys.executable, "-m", "app.demo", str(sample)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("analysing", "100%", "What it is about", "Where it holds", "has stopped"):
        assert word in done.stdout
