import json
from dataclasses import asdict

import pytest

from training.config import TrainConfig, read_config, read_recipe, unsaid_of
from training.errors import BadConfigError


def test_saved_choices_come_back(tmp_path):
    config = TrainConfig(epochs=3, head="sigmoid")
    config.save(tmp_path)
    assert read_config(tmp_path) == config
    assert TrainConfig(epochs=4, head="sigmoid").differences(
        json.loads((tmp_path / "config.json").read_text())
    ) == {"epochs": (3, 4)}


def write_older_run(folder, **choices):
    """The `config.json` of a program that knew no `unknown_weight`."""
    saved = asdict(TrainConfig(**choices))
    del saved["unknown_weight"]
    (folder / "config.json").write_text(json.dumps(saved))
    return saved


def test_older_sigmoid_run_goes_on_with_missing_tags_as_the_negatives_they_were(tmp_path):
    saved = write_older_run(tmp_path, head="sigmoid")
    assert read_config(tmp_path).unknown_weight == 1
    assert unsaid_of(tmp_path) == {"unknown_weight": 1}
    assert TrainConfig(head="sigmoid").differences(saved) == {"unknown_weight": (1, 0.1)}
    assert not TrainConfig(head="sigmoid", unknown_weight=1).differences(saved)


def test_the_command_that_began_an_older_sigmoid_run_resumes_it(tmp_path):
    from training.cli import _config

    saved = write_older_run(tmp_path, head="sigmoid")
    resumed = _config({"head": "sigmoid"}, None, tmp_path)
    assert not resumed.differences(saved)
    assert _config({"head": "sigmoid", "unknown_weight": 0.3}, None, tmp_path).unknown_weight == 0.3


def test_older_softmax_run_and_a_new_directory_imply_nothing(tmp_path):
    assert unsaid_of(tmp_path) == {}
    saved = write_older_run(tmp_path, head="softmax")
    assert unsaid_of(tmp_path) == {}
    assert not TrainConfig().differences(saved)


@pytest.mark.parametrize(
    "choices",
    [
        {"input_px": 74},
        {"epochs": 0},
        {"dropout": 1.5},
        {"crop_area_min": 0.0},
        {"head": "both"},
        {"optimizer": "luck"},
        {"precision": "float8"},
        {"schedule": "luck"},
        {"warmup_epochs": -1.0},
    ],
    ids=lambda choices: next(iter(choices)),
)
def test_a_choice_out_of_range_is_refused_by_name(choices):
    with pytest.raises(BadConfigError, match=next(iter(choices))):
        TrainConfig(**choices)


def test_size_grows_once():
    config = TrainConfig(start_px=107, input_px=139, epochs=10, grow_at=0.8)
    assert [config.size_px(epoch) for epoch in range(10)] == [107] * 8 + [139] * 2


def test_unknown_choice_in_a_recipe_is_refused(tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text('{"epoch": 3}')
    with pytest.raises(BadConfigError, match="epoch; known: input_px"):
        read_recipe(file)


def test_the_recipe_of_the_starter_can_be_read():
    from training import config as module

    recipes = list((module.Path(module.__file__).parent / "recipes").glob("*.json"))
    assert recipes
    for recipe in recipes:
        TrainConfig(**read_recipe(recipe))
