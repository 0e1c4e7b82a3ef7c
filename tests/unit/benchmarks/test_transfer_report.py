import json
from xml.etree import ElementTree

import pytest

from benchmarks.transfer.cells import CELLS_FILE, Record, key_of
from benchmarks.transfer.report import as_json, draw_curve, rewrite, summarise, summary, table
from training.errors import BadConfigError

SETUP = {
    "input_px": 107, "steps": 150, "scratch_steps": 150, "batch": 32, "held_out": 800,
    "source_tags": ["War"], "target_tags": ["Music", "Dance"],
}  # fmt: skip
WAYS = ("frozen head", "from scratch")
CHANCE = {"macro_map": 0.1, "hit_at_1": 0.1}


def cell(way, count, seed, figure):
    return {"way": way, "count": count, "seed": seed, "macro_map": figure, "hit_at_1": figure + 0.1}


CELLS = [
    cell("from scratch", 20, 1, 0.1), cell("from scratch", 20, 2, 0.2),
    cell("frozen head", 20, 1, 0.5), cell("frozen head", 20, 2, 0.4),
    cell("frozen head", 200, 1, 0.8),
]  # fmt: skip


def test_a_finished_cell_is_there_after_opening_again(tmp_path):
    Record(tmp_path, SETUP).add(CELLS[0])
    again = Record(tmp_path, SETUP)
    again.add(CELLS[1])
    assert again.cells() == CELLS[:2]
    assert [key_of(one) for one in again.cells()] == [
        ("from scratch", 20, 1), ("from scratch", 20, 2),
    ]  # fmt: skip


def test_a_line_that_a_kill_cut_short_is_dropped_and_the_next_cell_is_whole(tmp_path):
    Record(tmp_path, SETUP).add(CELLS[0])
    with (tmp_path / CELLS_FILE).open("a") as stream:
        stream.write(json.dumps(CELLS[1])[:30])
    record = Record(tmp_path, SETUP)
    assert record.cells() == CELLS[:1]
    record.add(CELLS[2])
    assert record.cells() == [CELLS[0], CELLS[2]]


def test_cells_of_another_setup_are_not_mixed_in(tmp_path):
    Record(tmp_path, SETUP).add(CELLS[0])
    with pytest.raises(BadConfigError, match="another batch, steps; use another --out"):
        Record(tmp_path, SETUP | {"steps": 10, "batch": 1})
    assert Record(tmp_path, SETUP).cells() == CELLS[:1]


def test_rows_hold_mean_spread_and_the_gain_paired_by_seed():
    frozen, scratch, rich = summarise(CELLS, WAYS)
    assert (frozen.way, frozen.count, frozen.seeds) == ("frozen head", 20, (1, 2))
    assert frozen.mean["macro_map"] == pytest.approx(0.45)
    assert frozen.spread["macro_map"] == pytest.approx(0.0707, abs=1e-4)
    assert frozen.gain["hit_at_1"] == pytest.approx(0.3)
    assert frozen.least_gain["hit_at_1"] == pytest.approx(0.2)
    assert scratch.gain["macro_map"] is None
    assert (rich.count, rich.spread["macro_map"], rich.gain["macro_map"]) == (200, None, None)


def test_the_table_says_how_many_seeds_a_row_is_of():
    lines = table(summarise(CELLS, WAYS)).splitlines()
    assert lines[2] == (
        "| 20 | frozen head | 2 | 0.450 ± 0.071 | +0.300 (+0.200) "
        "| 0.550 ± 0.071 | +0.300 (+0.200) |"
    )
    assert lines[4] == "| 200 | frozen head | 1 | 0.800 | - | 0.900 | - |"


def test_the_summary_and_the_json_name_both_halves_and_chance():
    text = summary(SETUP, CHANCE)
    assert "Source tags: War." in text
    assert "Target tags: Music, Dance." in text
    assert "By chance: macro mAP 0.100" in text
    found = json.loads(json.dumps(as_json(summarise(CELLS, WAYS), SETUP, CHANCE)))
    assert found["setup"] == SETUP
    assert found["rows"][0]["mean"]["macro_map"] == pytest.approx(0.45)


def test_the_curve_is_a_small_svg_that_is_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib")
    rows = summarise(CELLS, WAYS)
    one, two = tmp_path / "images" / "one.svg", tmp_path / "two.svg"
    draw_curve(one, rows, CHANCE)
    draw_curve(two, rows, CHANCE)
    assert one.read_bytes() == two.read_bytes()
    assert ElementTree.parse(one).getroot().tag.endswith("svg")
    assert len(one.read_bytes()) < 150_000


def test_a_page_is_rewritten_between_its_marks_only(tmp_path):
    page = tmp_path / "page.md"
    begin, end = "<!-- figures: begin -->", "<!-- figures: end -->"
    page.write_text(f"a\n{begin}\nold\n{end}\nb\n", encoding="utf-8")
    rewrite(page, "new")
    assert page.read_text(encoding="utf-8") == f"a\n{begin}\nnew\n{end}\nb\n"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="has no marks"):
        rewrite(page, "new")
