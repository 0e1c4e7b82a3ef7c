import json

from benchmarks.comparison import Row, report


def test_ratio_is_the_median_of_the_rounds_not_the_ratio_of_the_medians():
    row = Row("step", 2.0, ours=[1.0, 2.0, 10.0], peer=[3.0, 4.0, 10.0])
    assert row.ratio == 2.0
    assert row.cells() == ["step", "2.000 s", "4.000 s", "2.00x", "2.0x", "reached"]


def test_slower_than_the_goal_is_missed():
    assert Row("step", 2.1, ours=[1.0], peer=[2.0]).verdict == "missed"


def test_share_is_reached_when_it_is_small_enough():
    assert Row("waiting", 0.05, ours=[0.01, 0.04, 0.9]).verdict == "reached"
    row = Row("waiting", 0.05, ours=[0.06])
    assert row.cells() == ["waiting", "6.0%", "", "", "under 5%", "missed"]


def test_row_without_a_goal_has_no_verdict():
    assert Row("step", ours=[1.0], peer=[2.0]).cells()[-2:] == ["", ""]


def test_rows_are_printed_as_a_table_or_as_json(capsys):
    rows = [Row("step", 2.0, ours=[1.0], peer=[2.0]), Row("waiting", 0.05, ours=[0.01])]
    report(rows, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["step"] == {"ours": 1.0, "ratio": 2.0, "goal": 2.0, "verdict": "reached"}
    assert found["waiting"]["ratio"] is None
    report(rows, as_json=False)
    title, first, _ = capsys.readouterr().out.splitlines()
    assert title.split() == ["ours", "peer", "ratio", "goal"]
    assert first.split() == ["step", "1.000", "s", "2.000", "s", "2.00x", "2.0x", "reached"]
