"""Losses of DPO, KTO, reward, GRPO and RLOO on the same tokens and weights: ours beside TRL's.

Run with the Python of an environment that has TRL and this package's dependencies; the hub is
switched off. Prints both losses and their difference. TRL's batches are padded, ours packed.

    HF_HUB_OFFLINE=1 PYTHONPATH=src:. PEER/bin/python bench/objectives.py
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "WANDB_DISABLED": "true"}

import numpy as np
import torch
from datasets import Dataset
from tests.support.tiny_model import write_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import (
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    GRPOTrainer,
    KTOConfig,
    KTOTrainer,
    RLOOConfig,
    RLOOTrainer,
)

from lodesmith.model.checkpoint import load_decoder
from lodesmith.train.objectives.loss import summed_loss
from lodesmith.train.objectives.objective import make_objective
from lodesmith.train.objectives.preferences import segment_sums
from lodesmith.train.samples.loader import PackedSource
from lodesmith.train.samples.packed import PackedSamples, fill_rows

QUESTIONS = [f"What is a liver? It cleans {number}" for number in range(4)]
GOOD, BAD = [" the blood."] * 4, [" assistant user system", " user", " liver?", " What is"]
COMMON = {"report_to": "none", "use_cpu": True, "bf16": False, "per_device_train_batch_size": 4,
          "gradient_checkpointing": False, "disable_tqdm": True}  # fmt: skip


class Bench:
    """A policy and the reference that it has moved away from."""

    def __init__(self, folder: Path) -> None:
        self.folders = [write_model(folder / name, seed=seed)
                        for name, seed in (("reference", 1), ("policy", 1))]  # fmt: skip
        policy = load_decoder(self.folders[1])
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for weight in policy.parameters():
                weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.02)
        from lodesmith.model.checkpoint import save_decoder

        save_decoder(self.folders[1], policy, eos_ids=[0])
        self.scratch = str(folder / "scratch")
        self.tokenizer = AutoTokenizer.from_pretrained(self.folders[0])
        self.tokenizer.pad_token = self.tokenizer.eos_token = "<|endoftext|>"
        self.ours = [load_decoder(path) for path in self.folders]

    def theirs(self, which: int) -> torch.nn.Module:
        """Return transformers' model of the reference (0) or the policy (1)."""
        return AutoModelForCausalLM.from_pretrained(self.folders[which], dtype=torch.float32).eval()

    def packed(self, documents: list, *, per_row: int, extra: dict) -> "object":
        """Return our batch: the documents in rows of `per_row`."""
        rows = [documents[at : at + per_row] for at in range(0, len(documents), per_row)]
        width = max(sum(len(ids) for ids, _ in row) for row in rows)
        filled = fill_rows(rows, sequence_length=width, padding_id=0)
        extra = {name: np.array(value, np.float32) for name, value in extra.items()}
        samples = PackedSamples(filled.input_ids, filled.loss_mask, filled.segment_ids, extra)
        return PackedSource(samples).batch(np.arange(len(rows)))

    @torch.no_grad()
    def sums(self, which: int, documents: list) -> list[float]:
        """Return the log-probability of each document's answer, one at a time."""
        keep: list[float] = []

        class Read:
            sums_labels = False
            is_smooth = False

            def count(self, batch: object) -> int:  # noqa: ARG002
                return 1

            def summed_loss(self, losses, batch):  # noqa: ANN001, ANN202
                keep.extend(segment_sums(-losses, batch, num_segments=1)[:, 0].tolist())
                return losses.sum()

        for document in documents:
            batch = self.packed([document], per_row=1, extra={})
            summed_loss(self.ours[which], batch, objective=Read())
        return keep

    @torch.no_grad()
    def loss(self, name: str, settings: dict, batch: object) -> float:
        """Return our mean loss."""
        total, count = summed_loss(self.ours[1], batch, objective=make_objective(name, settings))
        return float(total) / count


def documents_of(ids: torch.Tensor, there: torch.Tensor, learnt: torch.Tensor) -> list:
    """Return padded rows of TRL as documents."""
    return [
        (row[keep.bool()].tolist(), mask[keep.bool()].bool().tolist())
        for row, keep, mask in zip(ids, there, learnt, strict=True)
    ]


def first_batch(trainer: object) -> dict:
    """Return TRL's first training batch."""
    return next(iter(trainer.get_train_dataloader()))


@torch.no_grad()
def compare_dpo(bench: Bench) -> tuple[float, float]:
    """Return TRL's loss and ours."""
    data = Dataset.from_dict({"prompt": QUESTIONS, "chosen": GOOD, "rejected": BAD})
    trainer = DPOTrainer(
        model=bench.theirs(1), ref_model=bench.theirs(0), train_dataset=data,
        args=DPOConfig(output_dir=bench.scratch, beta=0.3, **COMMON),
        processing_class=bench.tokenizer,
    )  # fmt: skip
    batch = first_batch(trainer)
    trainer.model.eval()
    theirs = float(trainer.compute_loss(trainer.model, batch))
    found = documents_of(batch["input_ids"], batch["attention_mask"], batch["completion_mask"])
    pairs = [document for pair in zip(found[:4], found[4:], strict=True) for document in pair]
    reference = np.reshape(bench.sums(0, pairs), (2, 2, 2))
    rows = bench.packed(pairs, per_row=4, extra={"reference": reference, "weight": np.ones((2, 2))})
    return theirs, bench.loss("pair-preference", {"beta": 0.3}, rows)


@torch.no_grad()
def compare_kto(bench: Bench) -> tuple[float, float]:
    """Return TRL's loss and ours."""
    data = Dataset.from_dict(
        {"prompt": QUESTIONS, "completion": [GOOD[0], BAD[1], GOOD[2], BAD[3]],
         "label": [True, False, True, False]}
    )  # fmt: skip
    trainer = KTOTrainer(
        model=bench.theirs(1), ref_model=bench.theirs(0), train_dataset=data,
        args=KTOConfig(output_dir=bench.scratch, beta=0.3, **COMMON),
        processing_class=bench.tokenizer,
    )  # fmt: skip
    batch = first_batch(trainer)
    trainer.model.eval()
    theirs = float(trainer.compute_loss(trainer.model, batch))
    own = documents_of(batch["input_ids"], batch["attention_mask"], batch["completion_mask"])
    other = documents_of(batch["KL_input_ids"], batch["KL_attention_mask"],
                         batch["KL_completion_mask"])  # fmt: skip
    pairs = [document for pair in zip(own, other, strict=True) for document in pair]
    labels = np.array([1.0 if good else -1.0 for good in batch["label"]]).reshape(2, 2)
    reference = np.reshape(bench.sums(0, pairs), (2, 2, 2))
    rows = bench.packed(pairs, per_row=4, extra={"reference": reference, "label": labels})
    return theirs, bench.loss("rated-answers", {"beta": 0.3}, rows)


@torch.no_grad()
def compare_rewards(bench: Bench, *, method: str) -> tuple[float, float]:
    """Return TRL's loss and ours on answers with given advantages, as after one step of a round."""
    make, settings, name = {
        "grpo": (GRPOTrainer, GRPOConfig, "clipped-tokens"),
        "rloo": (RLOOTrainer, RLOOConfig, "clipped-answers"),
    }[method]
    config = settings(output_dir=bench.scratch, beta=0.0, epsilon=0.2, num_generations=4,
                      max_completion_length=8, **COMMON)  # fmt: skip
    trainer = make(
        model=bench.theirs(1), reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=config, train_dataset=Dataset.from_dict({"prompt": QUESTIONS}),
        processing_class=bench.tokenizer,
    )  # fmt: skip
    trainer.model.eval()
    asked = [bench.tokenizer(text)["input_ids"] for text in QUESTIONS[:4]]
    said = [bench.tokenizer(text)["input_ids"][:8] for text in (GOOD[0], BAD[0], BAD[1], GOOD[3])]
    documents = [([*a, *s], [False] * len(a) + [True] * len(s))
                 for a, s in zip(asked, said, strict=True)]  # fmt: skip
    gains = [1.0, -0.5, 0.7, -1.2]
    longest = max(map(len, said))
    shifts = [[0.3 * ((3 * row + place) % 5 - 2) for place in range(len(said[row]))]
              for row in range(4)]  # fmt: skip
    logps = [token_logps(bench, document)[-len(one) :]
             for document, one in zip(documents, said, strict=True)]  # fmt: skip
    old = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(logps, shifts, strict=True)]
    inputs = {
        "prompt_ids": pad(asked, left=True), "prompt_mask": pad_ones(asked, left=True),
        "completion_ids": pad(said), "completion_mask": pad_ones(said),
        "advantages": torch.tensor(gains),
        "old_per_token_logps": torch.tensor([row + [0.0] * (longest - len(row)) for row in old]),
        "old_logps": torch.tensor([sum(row) for row in old]),
        "num_items_in_batch": torch.tensor(float(sum(map(len, said)))),
    }  # fmt: skip
    theirs = float(trainer._compute_loss(trainer.model, inputs))
    width = max(len(ids) for ids, _ in documents)
    placed = np.zeros((4, width))
    for row, (question, one) in enumerate(zip(asked, old, strict=True)):
        placed[row, len(question) - 1 : len(question) - 1 + len(one)] = one
    extra = {"old": placed, "advantage": np.array(gains)[:, None], "is_answer": np.ones((4, 1))}
    rows = bench.packed(documents, per_row=1, extra=extra)
    return theirs, bench.loss(name, {"clip": 0.2}, rows)


@torch.no_grad()
def token_logps(bench: Bench, document: tuple) -> list[float]:
    """Return the log-probability of each token after the first."""
    ids = torch.tensor([document[0]])
    logits = bench.ours[1](ids[:, :-1]).log_softmax(-1)
    return logits.gather(2, ids[:, 1:, None])[0, :, 0].tolist()


def pad(rows: list, *, left: bool = False) -> torch.Tensor:
    """Return rows as a matrix, padded with 0."""
    width = max(map(len, rows))
    filled = [[0] * (width - len(row)) + row if left else row + [0] * (width - len(row))
              for row in rows]  # fmt: skip
    return torch.tensor(filled)


def pad_ones(rows: list, *, left: bool = False) -> torch.Tensor:
    """Return where rows have values."""
    return pad([[1] * len(row) for row in rows], left=left)


def main() -> None:
    """Print a line for each method."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        runs = {
            "dpo": lambda: compare_dpo(bench),
            "kto": lambda: compare_kto(bench),
            "grpo": lambda: compare_rewards(bench, method="grpo"),
            "rloo": lambda: compare_rewards(bench, method="rloo"),
        }
        for name, compare in runs.items():
            theirs, ours = compare()
            apart = abs(theirs - ours)
            sys.stdout.write(f"{name:<5} TRL {theirs:.8f} ours {ours:.8f} apart {apart:.1e}\n")


if __name__ == "__main__":
    main()
