"""Kill a whole run at random moments; whatever is killed, the content must come out the same."""

import random
import time

import pytest
from runs import finish, kill_after
from tiny_life import write_life

NUM_WORKSPACES = 4
KILLS_EACH = 5  # 20 in all


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    folder = tmp_path_factory.mktemp("life")
    recipe = write_life(folder)
    started = time.monotonic()
    whole = finish(recipe, folder / "never-killed")
    return recipe, whole, time.monotonic() - started


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(NUM_WORKSPACES))
def test_a_run_killed_at_random_moments_ends_with_equal_digests(life, tmp_path, number):
    recipe, whole, seconds = life
    chance = random.Random(number)
    workspace = tmp_path / "workspace"
    num_killed = 0
    for _ in range(KILLS_EACH):
        # up to a third of a whole run: kills pile up, so all stages are hit
        delay = chance.uniform(0.05, seconds / 3)
        num_killed += kill_after(delay, recipe, workspace, whole_group=chance.random() < 0.5)
    assert num_killed >= 2  # a machine that got quicker ends a run before its kill
    assert finish(recipe, workspace)["digests"] == whole["digests"]


@pytest.mark.chaos
@pytest.mark.slow
def test_a_finished_run_does_nothing_when_run_again(life):
    recipe, whole, _seconds = life
    again = finish(recipe, recipe.parent / "never-killed")
    assert again["made"] == []
    assert again["digests"] == whole["digests"]
