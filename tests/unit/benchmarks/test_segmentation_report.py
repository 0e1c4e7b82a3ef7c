import numpy as np
import pytest

from benchmarks.segmentation.__main__ import main, rewrite, tables
from benchmarks.segmentation.measure import choices
from benchmarks.segmentation.metrics import count_film
from benchmarks.segmentation.report import draw_plot

TAGS = ("War", "Music")
TRUE = {"War": [(0.0, 10.0)]}


@pytest.fixture
def results():
    films = [count_film({"War": [(0.0, end_s)]}, TRUE, ("War",), TAGS) for end_s in (5.0, 10.0)]
    return {choice: np.stack(films) for choice in choices()}


def test_without_pictures_nothing_is_measured_and_the_reason_is_said(capsys):
    assert main([]) == 0
    assert "skipped: needs labelled pictures, --data DIR" in capsys.readouterr().out


def test_tables_hold_a_row_for_each_choice_and_each_tag_that_the_films_show(results):
    text = tables(results, TAGS)
    assert text.count("| shots (ours) ") == text.count("| a frame a second (peer) ") == 20 + 4 + 4
    (row,) = [line for line in text.splitlines() if line.startswith("| War")]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "War", "20", "1.00", "0.75", "0.86", "0.75", "1.25", "0.86",
    ]  # fmt: skip
    assert "| Music" not in text


def test_a_page_is_rewritten_between_its_marks_only(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- test: begin -->\nold\n<!-- test: end -->\nb\n", encoding="utf-8")
    rewrite(page, "test", r"new \1")
    marked = "<!-- test: begin -->\nnew \\1\n<!-- test: end -->"
    assert page.read_text(encoding="utf-8") == f"a\n{marked}\nb\n"
    with pytest.raises(ValueError, match="no marks for the validation split"):
        rewrite(page, "validation", "new")


def test_the_plot_is_a_small_picture(tmp_path, results):
    pytest.importorskip("matplotlib")
    file = tmp_path / "images" / "plot.png"
    draw_plot(file, results, "two films")
    assert file.read_bytes().startswith(b"\x89PNG")
    assert file.stat().st_size < 150_000
