"""Whether a model that learnt preferences has them on answers that it never saw.

pairs      how often the better answer gains more over the model that was started from than the
           worse one; of a reward model, how often its score is higher
ratings    how often a good answer gains more than a bad one, over all couples of them (the area
           under the curve)

Guessing gives a half. Source: the gain is the implicit reward of Rafailov et al. 2023,
arXiv:2305.18290, section 4, without its factor beta.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lodesmith.core.shards import Markers
from lodesmith.core.storage import JSON
from lodesmith.train.samples.packed import write_packed
from lodesmith.tune.domains import DomainConfig
from lodesmith.tune.methods.lesson import answer_groups, pack_answers
from lodesmith.tune.methods.reference import score_rows
from lodesmith.tune.samples.encode import Encoder
from lodesmith.tune.samples.samples import Sample

PREFERENCES_FILE = "preferences.json"
COMPARING = ("dpo", "kto", "reward")


def measure_preferences(
    held_out: Sequence[Sample],
    *,
    domain: DomainConfig,
    encoder: Encoder,
    parent: Path,
    child: Path,
    scratch: Path,
) -> JSON | None:
    """Return the share of held-out comparisons that a model gets right; None if there are none.

    Args:
        held_out: pairs, or rated answers.
        domain: by whose method they were learnt.
        encoder: how answers are written.
        parent: folder of the model that was started from.
        child: folder of the model that learnt.
        scratch: folder for what is computed on the way.
    """
    encode = answer_groups(held_out, domain=domain, encoder=encoder)
    width = domain.sequence_length + 1
    listed = [(sample, encode(sample)) for sample in held_out]
    fitting = [(s, group) for s, group in listed if sum(len(ids) for ids, _ in group) <= width]
    if not fitting:
        return None
    rows, packed = pack_answers([group for _, group in fitting], domain=domain, encoder=encoder)
    write_packed(scratch / "packed", packed)
    num_pairs = max(map(len, rows))

    def score(model: Path, name: str) -> npt.NDArray[np.float32]:
        """Return each sample's two sums of log-probabilities, in the order of the samples."""
        sums = score_rows(
            model, scratch / "packed", num_segments=2 * num_pairs, markers=Markers(scratch / name)
        ).reshape(len(rows), num_pairs, 2)
        found = np.zeros((len(fitting), 2), np.float32)
        for number, row in enumerate(rows):
            found[row] = sums[number, : len(row)]
        return found

    gains = score(child, "child")
    if domain.method != "reward":
        gains = gains - score(parent, "parent")
    return _compare([sample for sample, _ in fitting], gains)


def _compare(samples: Sequence[Sample], gains: npt.NDArray[np.float32]) -> JSON | None:
    labels = [sample.label for sample in samples]
    if labels[0] is None:
        better, worse = gains[:, 0], gains[:, 1]
    else:
        own, is_good = gains[:, 0], np.array(labels, bool)
        good, bad = own[is_good], own[~is_good]
        better, worse = np.repeat(good, len(bad)), np.tile(bad, len(good))
    if not len(better):
        return None
    share = float(np.mean(better > worse) + np.mean(better == worse) / 2)
    return {
        "accuracy": round(share, 6),
        "num_comparisons": len(better),
        "num_records": len(samples),
        "chance": 0.5,
    }
