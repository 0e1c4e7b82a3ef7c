"""The transfer benchmark on drawn pictures: real training, one small cell after the other."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.transfer.__main__ import main
from benchmarks.transfer.cells import CELLS_FILE, key_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    out = tmp_path_factory.mktemp("transfer")
    assert main(["--smoke", "--out", str(out)]) == 0
    lines = (out / CELLS_FILE).read_text().splitlines()
    return SimpleNamespace(out=out, cells=[json.loads(line) for line in lines])


def test_every_way_learns_the_same_draws_of_tags_the_base_has_not_seen(smoke):
    assert len({key_of(cell) for cell in smoke.cells}) == len(smoke.cells) == 6
    assert {cell["pictures"] for cell in smoke.cells if cell["count"] == 16} == {32}
    assert all(np.isfinite(cell["loss"]) for cell in smoke.cells)
    setup = json.loads((smoke.out / "setup.json").read_text())
    assert not set(setup["source_tags"]) & set(setup["target_tags"])
    assert json.loads((smoke.out / "source" / "tags.json").read_text()) == setup["source_tags"]


def test_four_hundred_steps_of_the_head_learn_more_than_chance(smoke):
    results = json.loads((smoke.out / "results.json").read_text())
    frozen = [cell["macro_map"] for cell in smoke.cells if cell["way"] == "frozen head"]
    assert min(frozen) > results["chance"]["macro_map"] + 0.2


def test_table_and_curve_are_written(smoke):
    assert "| 16 | frozen head | 1 |" in (smoke.out / "results.md").read_text()
    assert "<svg" in (smoke.out / "transfer.svg").read_text()


def test_the_same_command_learns_only_the_cell_that_a_kill_took(smoke, capsys):
    file = smoke.out / CELLS_FILE
    lines = file.read_text().splitlines(keepends=True)
    assert smoke.cells[0]["way"] == "frozen head"
    file.write_text("".join(lines[1:]) + lines[0][:25])
    assert main(["--smoke", "--out", str(smoke.out)]) == 0
    assert capsys.readouterr().out.count(", seed 1: macro mAP") == 1
    again = [json.loads(line) for line in file.read_text().splitlines()]
    assert [key_of(cell) for cell in again] == [
        key_of(cell) for cell in (*smoke.cells[1:], smoke.cells[0])
    ]
    assert again[-1]["macro_map"] == pytest.approx(smoke.cells[0]["macro_map"], abs=0.05)


def test_a_base_that_is_given_is_not_trained_again(smoke, tmp_path, capsys):
    setup = json.loads((smoke.out / "setup.json").read_text())
    asked = ["--data", str(smoke.out / "drawn"), "--out", str(tmp_path), "--input-px", "75",
             "--source", str(smoke.out / "source"), "--min-pictures", "20", "--counts", "16",
             "--seeds", "1", "--ways", "frozen head"]  # fmt: skip
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "epoch" not in said
    assert not (tmp_path / "source").exists()
    assert json.loads((tmp_path / "setup.json").read_text())["target_tags"] == setup["target_tags"]


def test_fine_tuning_leaves_batch_norms_and_lower_layers_as_the_base_has_them(smoke):
    import keras

    from benchmarks.transfer import learn
    from benchmarks.transfer.plan import draw_rows, side
    from benchmarks.transfer.source import read_base
    from training.dataset import read_collection
    from training.network import base_layers

    setup = json.loads((smoke.out / "setup.json").read_text())
    target = side(read_collection(smoke.out / "drawn"), setup["target_tags"], setup["source_tags"])
    cache = smoke.out / "cache"
    task = learn.read_task(target, 75, 112, cache)
    config = learn.cell_config("fine-tuned", 75, 112, seed=1)
    base = read_base(smoke.out / "source", config)
    learner = learn.Learner("fine-tuned", task, config, 2, base, cache)
    learner.cell(draw_rows(task.truth, 16, seed=1), seed=1)
    layers = base_layers(learner.network)
    first = [layer.name for layer in layers].index(learn.FIRST_LEARNING)
    values, learned = iter(base), []
    for place, layer in enumerate(layers):
        is_same = all([np.array_equal(next(values), weight) for weight in layer.get_weights()])
        if place < first or isinstance(layer, keras.layers.BatchNormalization):
            assert is_same, layer.name
        elif layer.weights:
            learned.append(not is_same)
    assert learned
    assert all(learned)
