from pathlib import Path

import pytest

from lodesmith.core.config import Config
from lodesmith.core.storage import read_json
from lodesmith.pipeline.schema import recipe_reference, recipe_schema

DOCS = Path(__file__).parents[2] / "docs"
STALE = "run: python -m lodesmith.pipeline.schema docs"


def test_the_published_schema_is_that_of_the_code():
    assert read_json(DOCS / "recipe.schema.json") == recipe_schema(), STALE


def test_the_published_reference_is_that_of_the_code():
    assert (DOCS / "recipe.md").read_text("utf-8") == recipe_reference(), STALE


def test_a_class_of_the_same_name_elsewhere_changes_nothing():
    before = recipe_schema()

    class PretrainConfig(Config):
        max_steps: int
        """Text of another field."""

    assert recipe_schema() == before
    assert PretrainConfig(max_steps=1).max_steps == 1


def fields_of(schema):
    for name, definition in schema["$defs"].items():
        for field, details in definition.get("properties", {}).items():
            yield pytest.param(details, id=f"{name}.{field}")


@pytest.mark.parametrize("details", list(fields_of(recipe_schema())))
def test_every_field_of_a_recipe_is_documented(details):
    assert len(details.get("description", "")) > 5
