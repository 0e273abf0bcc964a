from typing import Annotated

import pytest
from pydantic import Discriminator, Field, Tag

from lodesmith.core.config import Config, apply_overrides, validate
from lodesmith.core.errors import UserError
from lodesmith.core.yaml_text import parse_yaml


class Apple(Config):
    apple: str
    colour: str = "red"


class Pear(Config):
    pear: str


class Training(Config):
    without_effect = frozenset({"num_workers"})

    max_steps: int = Field(gt=0)
    learning_rate: float = 1e-3
    num_workers: int = 1


def _kind(value):
    keys = value if isinstance(value, dict) else {}
    return "<Pear>" if "pear" in keys else "<Apple>"


class Whole(Config):
    training: Training | None = None
    fruit: list[
        Annotated[
            Annotated[Apple, Tag("<Apple>")] | Annotated[Pear, Tag("<Pear>")], Discriminator(_kind)
        ]
    ] = Field(default_factory=list)


def load(text, *overrides):
    return validate(Whole, parse_yaml(text, origin="r.yaml"), origin="r.yaml", overrides=overrides)


def test_all_faults_are_told_at_once_with_line_and_nearest_name():
    with pytest.raises(UserError) as caught:
        load(
            "training:\n  max_step: 3\n  learning_rate: fast\nfruit:\n  - apple: x\n    color: y\n"
        )
    assert str(caught.value).splitlines() == [
        "r.yaml:1: training.max_steps is missing; add it",
        "r.yaml:3: training.learning_rate: input should be a valid number, "
        "unable to parse string as a number (got 'fast')",
        "r.yaml:2: training.max_step is not a known key; did you mean max_steps?",
        "r.yaml:6: fruit.0.color is not a known key; did you mean colour?",
    ]


def test_an_unknown_section_names_the_nearest_one():
    with pytest.raises(UserError, match=r"r.yaml:1: trainin is not .*; did you mean training\?"):
        load("trainin: {}\n")


def test_overrides_reach_into_sections_and_lists():
    whole = load(
        "training: {max_steps: 1}\nfruit: [{apple: a}]", "training.max_steps=7", "fruit.0.apple=b"
    )
    assert whole.training.max_steps == 7
    assert whole.fruit[0].apple == "b"


@pytest.mark.parametrize("override", ["training", "=3", "training..max_steps=1", "fruit.4.apple=x"])
def test_a_malformed_override_is_refused(override):
    with pytest.raises(UserError):
        apply_overrides({"fruit": [{}], "training": {}}, [override])


def test_the_recipe_text_is_not_changed_by_overrides():
    data = {"training": {"max_steps": 1}}
    apply_overrides(data, ["training.max_steps=2"])
    assert data == {"training": {"max_steps": 1}}


def test_settings_without_effect_do_not_change_the_identity():
    one = load("training: {max_steps: 1, num_workers: 1}")
    two = load("training: {max_steps: 1, num_workers: 8}")
    other = load("training: {max_steps: 2}")
    assert one.identity() == two.identity() != other.identity()
