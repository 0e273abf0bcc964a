"""What an answer is worth: 1 if it ends in the right number, or what a reward model makes of it.

Answers to the same question are compared with each other only, so a reward needs no fixed scale.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+|/\d+)?")
_TINY = 1e-4  # beside the spread of rewards, which may be zero


def last_number(text: str) -> Fraction | None:
    """Return the last number of a text, None if it has none.

    >>> last_number("so 3 + 4 makes 1,007.50 in all")
    Fraction(2015, 2)
    """
    found = _NUMBER.findall(text)
    if not found:
        return None
    try:
        return Fraction(found[-1].replace(",", ""))
    except ZeroDivisionError:
        return None


def is_right(answer: str, reference: str) -> bool:
    """Tell whether an answer ends in the number that the reference ends in, or in its words.

    >>> is_right("That is 2 * 21 = 42.", "#### 42")
    True
    """
    wanted = last_number(reference)
    if wanted is None:
        return answer.strip().casefold().endswith(reference.strip().casefold())
    return last_number(answer) == wanted


def advantages(rewards: Floats, *, group_size: int, method: str) -> Floats:
    """Return by how much each answer is better than the others to its question.

    Args:
        rewards: of all answers, those to one question beside each other.
        group_size: answers to a question.
        method: grpo divides by the spread (Shao et al. 2024, arXiv:2402.03300, section 4.1.2);
            rloo compares with the mean of the others (Ahmadian et al. 2024, arXiv:2402.14740,
            equation 8).

    >>> advantages(np.array([1, 0, 0, 1], np.float32), group_size=2, method="rloo").tolist()
    [1.0, -1.0, -1.0, 1.0]
    """
    groups = rewards.reshape(-1, group_size)
    mean = groups.mean(1, keepdims=True)
    if method == "rloo":
        better = (groups - mean) * group_size / (group_size - 1)
    else:
        better = (groups - mean) / (groups.std(1, ddof=1, keepdims=True) + _TINY)
    return np.asarray(better.reshape(-1), np.float32)


def reward_exactly(answers: Sequence[str], references: Sequence[str]) -> Floats:
    """Return 1 for each right answer and 0 for each other."""
    pairs = zip(answers, references, strict=True)
    return np.array([float(is_right(answer, wanted)) for answer, wanted in pairs], np.float32)
