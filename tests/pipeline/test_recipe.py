import pytest
from tiny_life import write_life

from lodesmith.core.errors import UserError
from lodesmith.pipeline.recipe import (
    Recipe,
    load_recipe,
    read_cleaning,
    read_recipe,
    shipped_recipes,
)
from lodesmith.pipeline.stages import STAGES, stages_until


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_is_valid(name):
    assert isinstance(load_recipe(name), Recipe)


def test_the_quickstart_has_every_stage():
    recipe = load_recipe("quickstart")
    assert [stage.kind for stage in stages_until(recipe, None)] == [stage.kind for stage in STAGES]


def test_faults_of_several_sections_are_told_together(tmp_path):
    path = write_life(tmp_path)
    text = path.read_text().replace("hidden_size: 32", "hidden_siz: 32")
    path.write_text(text.replace("max_steps: 10", "max_steps: many"))
    line = 1 + text.splitlines().index("  hidden_siz: 32")
    with pytest.raises(UserError) as caught:
        read_recipe(str(path))
    message = str(caught.value)
    assert (
        f"{path}:{line}: model.hidden_siz is not a known key; did you mean hidden_size?" in message
    )
    assert "tune.max_steps" in message
    assert "(got 'many')" in message


def test_a_section_without_the_one_it_needs_is_refused(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("prepare: {}\n")
    with pytest.raises(UserError, match="the section prepare needs a section acquire"):
        read_recipe(str(path))


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(UserError, match=r"no recipe quickstar; did you mean quickstart\?"):
        read_recipe("quickstar")


def test_a_stage_that_the_recipe_lacks_is_refused(tmp_path):
    recipe = read_recipe(str(write_life(tmp_path))).recipe
    with pytest.raises(UserError, match="the recipe has no stage deploy; it has acquire"):
        stages_until(recipe, "deploy")


def test_settings_for_cleaning_may_stand_alone(tmp_path):
    path = tmp_path / "clean.yaml"
    path.write_text("prepare: {quality: {min_words: 7}}\n")
    assert read_cleaning(str(path)).quality.min_words == 7
    path.write_text("prepare: {qualty: {}}\n")
    with pytest.raises(UserError, match="quality"):
        read_cleaning(str(path))
    path.write_text("acquire: {sources: [{files: pages}]}\n")
    with pytest.raises(UserError, match="no section prepare"):
        read_cleaning(str(path))
