"""Event files hold every epoch once, under names that TensorBoard groups."""

import csv

import pytest

pytestmark = pytest.mark.slow

ROW = {"loss": 2.5, "learning_rate": 3e-6, "hit_at_1": 0.25, "epoch": 1, "seconds": 7.0}


def written(run_dir):
    """Every scalar of the only event file: name -> {step: value}."""
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    (file,) = (run_dir / "tensorboard").iterdir()
    found: dict[str, dict[int, float]] = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = event_pb2.Event.FromString(record.numpy())
        for value in event.summary.value:
            # What TensorBoard's scalars page looks for.
            assert value.metadata.plugin_data.plugin_name == "scalars"
            steps = found.setdefault(value.tag, {})
            assert event.step not in steps
            steps[event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_figures_come_back_by_epoch_and_only_those_with_a_name(tmp_path):
    from training.tensorboard_log import TensorBoardLog

    with TensorBoardLog(tmp_path) as board:
        board.add(ROW)
        board.add(ROW | {"epoch": 2, "loss": 2.0})
        assert written(tmp_path)["train/loss"] == {1: 2.5, 2: 2.0}  # before it is closed
    found = written(tmp_path)
    assert found["train/learning_rate"][1] == pytest.approx(3e-6)
    assert found["validation/hit_at_1"] == {1: 0.25, 2: 0.25}
    assert set(found) == {"train/loss", "train/learning_rate", "validation/hit_at_1"}


def test_resumed_run_repeats_no_epoch_and_loses_none(tmp_path):
    from training.tensorboard_log import TensorBoardLog

    with TensorBoardLog(tmp_path) as board:
        board.add(ROW)
        board.add(ROW | {"epoch": 2})  # its checkpoint was lost
    with TensorBoardLog(tmp_path, [ROW]) as board:
        board.add(ROW | {"epoch": 2, "loss": 1.0})
    assert written(tmp_path)["train/loss"] == {1: 2.5, 2: 1.0}


def test_log_of_an_older_run_goes_on_with_more_figures(tmp_path):
    from training.run_log import write_log

    older = {key: value for key, value in ROW.items() if key != "learning_rate"}
    write_log(tmp_path, [older, ROW | {"epoch": 2}])
    with (tmp_path / "log.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["learning_rate"] for row in rows] == ["", "3e-06"]
    assert [row["epoch"] for row in rows] == ["1", "2"]
