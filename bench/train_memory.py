"""The memory that the ranks of whole runs take, beside what is estimated before they start.

    python bench/train_memory.py [--hidden-size 512] [--layers 6] [WORD ...]

Every run is two steps of the real launcher with a save after each. While it trains, the private
and the shared memory of each rank are read from /proc; the most at one moment counts, without the
second of the two staging buffers, which is a copy that is only kept where there is room. Words
choose the runs whose names hold one of them.
"""

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import psutil

from lodesmith.data.tokens import write_token_set
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.checkpoint import save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.train.ahead.memory import Beside, estimate_rank
from lodesmith.train.config import TrainingConfig
from lodesmith.train.job import TokenSetData, TrainingJob
from lodesmith.train.ranks.launch import run_training

ADAMW = {"optimizer": "adamw", "learning_rate": 1e-3}
RUNS = {
    "whole, 1 rank, muon": {"num_ranks": 1},
    "whole, 2 ranks, adamw": {"num_ranks": 2, **ADAMW},
    "whole, 1 rank, selective": {"num_ranks": 1, "activation_checkpointing": "selective"},
    "whole, 1 rank, full": {"num_ranks": 1, "activation_checkpointing": "full"},
    "fsdp2, muon": {"parallel": {"data_parallel_shard_size": 2}},
    "tp2, adamw": {"parallel": {"tensor_parallel_size": 2}, **ADAMW},
    "cp2, muon": {"parallel": {"context_parallel_size": 2}},
    "pp2, muon": {"parallel": {"pipeline_parallel_size": 2}, "micro_batch_size": 2},
    "adapter": ADAMW,
    "adapter, 4 bits": ADAMW,
}
ADAPTER = AdapterShape(16, 32.0, ("q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"))


@dataclass
class Watch:
    """The most that any rank below this process has held."""

    most_bytes: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Look every few hundredths of a second, until done."""
        own = psutil.Process()
        while not self.done.is_set():
            for child in own.children(recursive=True):
                self.most_bytes = max(self.most_bytes, resident_bytes(child.pid))
            time.sleep(0.03)


def resident_bytes(pid: int) -> int:
    """Return what a process holds for itself, and half of what it shares."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    sizes = dict(line.split(":", 1) for line in lines)
    private, shared = (
        int(sizes.get(name, "0").split()[0]) * 1024 for name in ("RssAnon", "RssShmem")
    )
    return private + shared // 2


def measure(job: TrainingJob) -> int:
    watch = Watch()
    thread = threading.Thread(target=watch.look)
    thread.start()
    try:
        run_training(job)
    finally:
        watch.done.set()
        thread.join()
    return watch.most_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("hidden-size", 512), ("layers", 6), ("vocab-size", 32_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        ids = np.random.default_rng(0).integers(0, arguments.vocab_size - 1, 20_000).tolist()
        write_token_set(
            folder / "tokens", [("random", ids)], vocab_size=arguments.vocab_size,
            tokenizer_digest="none", separator_id=arguments.vocab_size - 1,
        )  # fmt: skip
        for name, settings in RUNS.items():
            if arguments.words and not any(word in name for word in arguments.words):
                continue
            report(name, settings, arguments, folder)


def report(
    name: str, settings: dict[str, object], arguments: argparse.Namespace, folder: Path
) -> None:
    shape = DecoderConfig(
        vocab_size=arguments.vocab_size,
        hidden_size=arguments.hidden_size,
        intermediate_size=arguments.hidden_size * 11 // 4,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.hidden_size // 64,
        num_key_value_heads=arguments.hidden_size // 64,
        head_dim=64,
        tie_word_embeddings="pp" not in name,
    )
    config = TrainingConfig.model_validate(
        {"max_steps": 2, "global_batch_size": 8, "micro_batch_size": 4, "sequence_length": 256,
         "checkpoint_every_steps": 1, "trackers": [], **settings}
    )  # fmt: skip
    out = folder / name
    job = TrainingJob(
        config=config,
        start=shape,
        data=TokenSetData(folder / "tokens"),
        scratch=out / "scratch",
        model_folder=out / "model",
        metrics_file=out / "metrics.jsonl",
        title=name,
    )
    beside = None
    if "adapter" in name:
        save_decoder(out / "start", Decoder.fresh(shape, seed=1), eos_ids=[0])
        beside = Beside(adapter=ADAPTER, quantize_base="nf4" if "4 bits" in name else None)
        job = replace(
            job,
            start=out / "start",
            adapter=ADAPTER,
            quantize_base=beside.quantize_base,
            adapter_folder=out / "adapter",
        )
    measured = measure(job)
    ranks = config.num_ranks if isinstance(config.num_ranks, int) else 1
    rank = estimate_rank(shape, config, num_ranks=ranks, beside=beside)
    estimate = rank.total + rank.more_at_end
    print(
        f"{name:26} measured {measured / 1e6:6,.0f} MB a rank, estimated {estimate / 1e6:6,.0f}, "
        f"{estimate / measured:.2f} of it",
        flush=True,
    )


if __name__ == "__main__":
    main()
