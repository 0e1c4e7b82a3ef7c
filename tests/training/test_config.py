import json

import pytest

from training.config import TrainConfig, read_config, read_recipe
from training.errors import BadConfigError


def test_saved_choices_come_back(tmp_path):
    config = TrainConfig(epochs=3, head="sigmoid")
    config.save(tmp_path)
    assert read_config(tmp_path) == config
    assert TrainConfig(epochs=4, head="sigmoid").differences(
        json.loads((tmp_path / "config.json").read_text())
    ) == {"epochs": (3, 4)}


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
