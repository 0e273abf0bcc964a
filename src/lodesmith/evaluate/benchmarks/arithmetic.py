"""Sums made here by a seed: they cannot have been learnt by heart.

Source: Brown et al., arXiv:2005.14165, section 3.9.1, for the question and the kinds of sums.
"""

import random

from lodesmith.evaluate.benchmarks.items import Item
from lodesmith.evaluate.benchmarks.task_file import TaskFile

NUM_ITEMS = 200
_KINDS = (("plus", 1), ("plus", 2), ("minus", 2), ("plus", 3), ("minus", 3), ("times", 2))

ARITHMETIC = TaskFile(
    title="sums of one to three digits, made by the seed",
    items=(),
    text="Q: What is {one} {operation} {other}?\nA:",
    answer_field="answer",
    answer_pattern=r"(-?[0-9]+)",
    stop=("\n",),
    max_tokens=12,
)


def make_sums(count: int, *, seed: int) -> tuple[list[Item], list[Item]]:
    """Return questions, and others to be shown as worked examples."""
    rng = random.Random(seed)  # noqa: S311 no secret
    sums = [_make(rng, number) for number in range(count + 32)]
    return sums[:count], sums[count:]


def _make(rng: random.Random, number: int) -> Item:
    operation, digits = _KINDS[number % len(_KINDS)]
    one, other = rng.randrange(10**digits), rng.randrange(10**digits)
    answer = {"plus": one + other, "minus": one - other, "times": one * other}[operation]
    row = {"one": one, "operation": operation, "other": other, "answer": answer}
    return Item(row=row, origin=f"sum {number}", subject="arithmetic")
