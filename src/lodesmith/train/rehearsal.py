"""How fast this machine trains in each of the ways that it could, by training so for a few steps.

A core each for two ranks, all cores for one, or a core each for as many ranks as there are: which
is quicker depends on caches, on how matrix products are threaded and on what else runs, so it is
measured with the real launcher and not derived.
"""

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.process import count_free_cores
from lodesmith.data.tokens import write_token_set
from lodesmith.model.config import DecoderConfig
from lodesmith.train.config import TrainingConfig
from lodesmith.train.job import TokenSetData, TrainingJob
from lodesmith.train.ranks.launch import run_training
from lodesmith.train.record.metrics import read_metrics

_SHAPE = DecoderConfig(
    vocab_size=2048,
    hidden_size=256,
    intermediate_size=768,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=64,
)  # of the size of the quickstart's: larger models gain more from threads
_STEPS = 8
_WARM_UP = 2  # steps that are not counted
_SEQUENCE_LENGTH = 128
_ROWS = 8  # of a step, and at least one for each rank
_MOST_RANKS = 16


@dataclass(frozen=True)
class Way:
    """One way to use the cores."""

    num_ranks: int
    settings: dict[str, object]  # of training


def ways_to_train(num_cores: int) -> dict[str, Way]:
    """Return the ways to use the cores, by what is written in a recipe for each.

    >>> list(ways_to_train(2))
    ['num_ranks: 2', 'parallel: {}']
    """
    ways = {}
    if num_cores >= 2:
        ways["num_ranks: 2"] = Way(2, {"num_ranks": 2})
    ways["parallel: {}"] = Way(1, {"parallel": {}})
    ranks = min(_MOST_RANKS, 1 << (num_cores.bit_length() - 1))
    if ranks > 2:
        field = "data_parallel_replicate_size"
        ways[f"parallel: {{{field}: {ranks}}}"] = Way(ranks, {"parallel": {field: ranks}})
    return ways


def rehearse() -> dict[str, float]:
    """Return the tokens per second of each way to train on this machine's free cores."""
    with tempfile.TemporaryDirectory(prefix="lodesmith-rehearsal-") as made:
        folder = Path(made)
        ids = [number * number % (_SHAPE.vocab_size - 1) for number in range(50_000)]
        write_token_set(
            folder / "tokens",
            [("numbers", ids)],
            vocab_size=_SHAPE.vocab_size,
            tokenizer_digest="none",
            separator_id=_SHAPE.vocab_size - 1,
        )
        ways = ways_to_train(count_free_cores())
        return {name: _rate(folder, name, way) for name, way in ways.items()}


def _rate(folder: Path, name: str, way: Way) -> float:
    """Return the median tokens per second of some steps."""
    rows = max(_ROWS, way.num_ranks)
    config = TrainingConfig.model_validate(
        {
            "max_steps": _STEPS,
            "global_batch_size": rows,
            "micro_batch_size": rows // max(2, way.num_ranks),
            "sequence_length": _SEQUENCE_LENGTH,
            "checkpoint_every_steps": _STEPS,
            "trackers": [],
            **way.settings,
        }
    )
    place = folder / str(len(list(folder.iterdir())))
    job = TrainingJob(
        config=config,
        start=_SHAPE,
        data=TokenSetData(folder / "tokens"),
        scratch=place / "scratch",
        model_folder=place / "model",
        metrics_file=place / "metrics.jsonl",
        title=name,
    )
    run_training(job)
    lines = read_metrics(job.metrics_file)[_WARM_UP:]
    return statistics.median(line["tokens_per_second"] for line in lines)
