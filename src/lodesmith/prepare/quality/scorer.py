"""A scorer learnt from labels: which documents a person would keep, by their words.

Runs of one to three words (characters in Chinese) are hashed into 2^18 places; a text is the
square roots of their counts, of length one. A logistic regression weighs them, and two more numbers
turn its sums into probabilities that mean what they say. It learns from thousands of documents in
seconds, and one fifth of the labels, chosen by the hash of the id, is never learnt from: the
figures in `scorer.json` are measured on them.

Sources: Joulin et al., arXiv:1607.01759, for linear models of hashed word runs; J. Platt, 1999, for
the calibration; J. Duchi et al., JMLR 12, 2011, for the step sizes (AdaGrad).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.storage import JSON, hash_file, read_json, write_json
from lodesmith.prepare.words import hash_runs, split_words

NUM_PLACES = 1 << 18
FORMAT = 1
WEIGHTS_FILE, ABOUT_FILE = "weights.npy", "scorer.json"

_LONGEST_RUN = 3
_EPOCHS = 12
_STEP, _DECAY = 0.5, 1e-6
_HELD_OUT_FIFTHS = 5  # one in so many labels is held out
_MIN_LABELS = 10  # of each kind; fewer teach nothing

Row = tuple[NDArray[np.int64], NDArray[np.float64]]  # places and values


@dataclass(frozen=True, slots=True)
class Label:
    """What somebody said of one document."""

    id: str
    text: str
    is_good: bool


@dataclass(frozen=True, slots=True)
class Scorer:
    """Weights of hashed runs, and what is known of how good they are."""

    weights: NDArray[np.float32]
    slope: float
    offset: float
    about: JSON

    def score(self, text: str) -> float:
        """Return the probability that a person would keep a text, rounded to four places."""
        places, values = to_row(text)
        total = self.slope * float(self.weights[places].astype(np.float64) @ values) + self.offset
        return round(float(_to_chance(total)), 4)


def to_row(text: str) -> Row:
    """Return the places of a text's runs of words, and their values."""
    hashes = split_words(text).hashes
    runs = [hash_runs(hashes, run) for run in range(1, _LONGEST_RUN + 1) if len(hashes) >= run]
    if not runs:
        return np.zeros(0, np.int64), np.zeros(0)
    found = np.concatenate(runs) >> np.uint64(64 - NUM_PLACES.bit_length() + 1)
    places, counts = np.unique(found.astype(np.int64), return_counts=True)
    values = np.sqrt(counts)
    return places, values / np.sqrt(float(counts.sum()))


def is_held_out(document_id: str) -> bool:
    """Tell whether a document's label is kept for measuring, by the hash of its id."""
    digest = hashlib.sha256(document_id.encode("utf-8", "surrogatepass")).digest()
    return digest[0] % _HELD_OUT_FIFTHS == 0


def train(labels: Sequence[Label]) -> Scorer:
    """Return a scorer learnt from labels, and measured on those that it did not see.

    Raises:
        UserError: there are too few labels of a kind.
    """
    ordered = sorted(labels, key=lambda label: label.id)
    known = [label for label in ordered if not is_held_out(label.id)]
    held = [label for label in ordered if is_held_out(label.id)]
    good = sum(label.is_good for label in known)
    if min(good, len(known) - good) < _MIN_LABELS:
        raise UserError(
            f"a scorer needs {_MIN_LABELS} labels of each kind besides the fifth that is held out; "
            f"there are {good} good and {len(known) - good} bad ones; label more documents"
        )
    rows = [to_row(label.text) for label in known]
    answers = np.array([label.is_good for label in known], np.float64)
    slope, offset = _calibrate(*_sums_of_unseen(rows, answers))
    weights = _learn(rows, answers)
    scorer = Scorer(weights, slope, offset, {})
    about: JSON = {
        "format": FORMAT,
        "num_places": NUM_PLACES,
        "slope": slope,
        "offset": offset,
        "labels": {"good": good, "bad": len(known) - good, "digest": _digest(ordered)},
        "held_out": measure(scorer, held),
    }
    return Scorer(weights, slope, offset, about)


def measure(scorer: Scorer, labels: Sequence[Label]) -> JSON:
    """Return how well a scorer agrees with labels; None for figures that need both kinds."""
    scores = np.array([scorer.score(label.text) for label in labels])
    answers = np.array([label.is_good for label in labels], bool)
    taken = scores >= 0.5
    hits = int((taken & answers).sum())
    either = int(taken.sum()) + int(answers.sum())
    return {
        "count": len(labels),
        "good": int(answers.sum()),
        "auc": _find_auc(scores, answers),
        "f1": round(2 * hits / either, 4) if either else None,
        "accuracy": round(float((taken == answers).mean()), 4) if len(labels) else None,
    }


def save_scorer(scorer: Scorer, folder: Path) -> None:
    """Write a scorer: its weights as .npy, all else as JSON with the digest of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / WEIGHTS_FILE).open("wb") as file:
        np.save(file, scorer.weights, allow_pickle=False)
    about = {**scorer.about, "weights_digest": hash_file(folder / WEIGHTS_FILE)}
    write_json(folder / ABOUT_FILE, about)


@cache
def load_scorer(folder: Path) -> Scorer:
    """Return a scorer that was saved.

    Raises:
        UserError: there is none.
        DamagedArtifactError: its weights are not those that were written.
    """
    try:
        about: Any = read_json(folder / ABOUT_FILE)
        digest = hash_file(folder / WEIGHTS_FILE)
    except OSError as error:
        raise UserError(
            f"prepare.quality.scorer: {folder} holds no scorer ({error.strerror}); "
            "make one with `lodesmith label train`"
        ) from None
    if digest != about.get("weights_digest") or about.get("format") != FORMAT:
        raise DamagedArtifactError(f"{folder} is a damaged scorer; train it again")
    weights = np.load(folder / WEIGHTS_FILE, allow_pickle=False)
    return Scorer(weights, float(about["slope"]), float(about["offset"]), about)


def _learn(rows: Sequence[Row], answers: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return weights: gradient steps in an order that depends on nothing but the number of rows."""
    weights, seen = np.zeros(NUM_PLACES), np.full(NUM_PLACES, 1e-4)
    share = answers.mean()
    importance = np.where(answers > 0, 0.5 / share, 0.5 / (1 - share))
    order = np.random.default_rng(0)
    for _ in range(_EPOCHS):
        for number in order.permutation(len(rows)).tolist():
            places, values = rows[number]
            chance = _to_chance(weights[places] @ values)
            error = (chance - answers[number]) * importance[number]
            slope = error * values + _DECAY * weights[places]
            seen[places] += slope * slope
            weights[places] -= _STEP * slope / np.sqrt(seen[places])
    return weights.astype(np.float32)


def _sums_of_unseen(
    rows: Sequence[Row], answers: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of each row with weights learnt from the other half of the rows."""
    sums = np.zeros(len(rows))
    halves = (range(0, len(rows), 2), range(1, len(rows), 2))
    for own, other in (halves, halves[::-1]):
        if len(set(answers[list(other)].tolist())) < 2:
            continue
        weights = _learn([rows[number] for number in other], answers[list(other)])
        for number in own:
            places, values = rows[number]
            sums[number] = float(weights[places] @ values)
    return sums, answers


def _calibrate(sums: NDArray[np.float64], answers: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and offset that turn sums into probabilities, by Newton's method."""
    solved = np.array([1.0, 0.0])
    rows = np.stack([sums, np.ones(len(sums))], axis=1)
    for _ in range(25):
        chance = _to_chance(rows @ solved)
        slope = rows.T @ (chance - answers) + 1e-2 * (solved - np.array([1.0, 0.0]))
        curve = (rows * (chance * (1 - chance))[:, None]).T @ rows + 1e-2 * np.eye(2)
        solved = solved - np.linalg.solve(curve, slope)
    return round(float(solved[0]), 6), round(float(solved[1]), 6)


def _to_chance(total: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(total, -30, 30)))


def _find_auc(scores: NDArray[np.float64], answers: NDArray[np.bool_]) -> float | None:
    good, bad = scores[answers], scores[~answers]
    if not len(good) or not len(bad):
        return None
    higher = (good[:, None] > bad[None, :]).sum() + 0.5 * (good[:, None] == bad[None, :]).sum()
    return round(float(higher) / (len(good) * len(bad)), 4)


def _digest(labels: Sequence[Label]) -> str:
    digest = hashlib.sha256()
    for label in labels:
        digest.update(json.dumps([label.id, label.text, label.is_good]).encode())
    return digest.hexdigest()
