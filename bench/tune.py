"""Supervised tuning beside TRL: real tokens a CPU-second on FewCLUE's tasks as chats, and the loss.

A decoder of 8.4 million parameters learns the same token ids with the same loss masks in each way:
ours (rows packed to the brim, logits only where a label counts), TRL as it comes (padded), and TRL
packed, with several lengths of rows. Each runs in a process of its own on one core; the first steps
do not count. The loss of the untrained model over the same documents must be the same to 1e-6.

    .venv/bin/python bench/tune.py ../shared/data/fewclue --peer PEER/bin/python
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from lodesmith.data.chat import render_training
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.model.checkpoint import load_decoder, save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.parallel.ranks import Ranks
from lodesmith.tokenize.bpe import train_tokenizer
from lodesmith.train.config import TrainingConfig
from lodesmith.train.job import PackedData, TrainingJob
from lodesmith.train.learners.learner import open_learner
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.objectives.loss import summed_loss
from lodesmith.train.samples.loader import PackedSource
from lodesmith.train.samples.packed import Encoded, open_packed, pack_documents, write_packed

WARM_STEPS = 2
TASKS = {
    "tnews": ("sentence", "label_desc", "这条新闻属于哪一类？"),
    "eprstmt": ("sentence", "label", "这条评价是正面的还是负面的？"),
    "iflytek": ("sentence", "label_des", "这个应用属于哪一类？"),
    "csldcp": ("content", "label", "这段文字属于哪个学科？"),
}
TRL_WAYS = {
    "TRL default": {},
    "TRL packed, 1 x 512": {"packing": True, "max_length": 512, "per_device_train_batch_size": 1},
    "TRL packed, 2 x 256": {"packing": True, "max_length": 256, "per_device_train_batch_size": 2},
    "TRL packed, 4 x 256": {"packing": True, "max_length": 256, "per_device_train_batch_size": 4},
    "TRL padded, batch 1": {"per_device_train_batch_size": 1},
}


def read_chats(folder: Path) -> list[list[dict[str, str]]]:
    """Return FewCLUE's training rows as chats of one question and one answer."""
    chats = []
    for name, (text, label, question) in TASKS.items():
        for line in (folder / name / "train_few_all.json").read_text("utf-8").split("\n"):
            if not line.strip():
                continue
            row = json.loads(line)
            asked = f"{row[text][:200]}\n{question}"
            chats.append([{"role": "user", "content": asked},
                          {"role": "assistant", "content": str(row[label])}])  # fmt: skip
    return chats


def write_model(folder: Path, chats: list) -> Tokenizer:
    """Write a fresh model of 8.4 million parameters and its tokenizer."""
    texts = ["\n".join(message["content"] for message in chat) for chat in chats]
    tokenizer = train_tokenizer(folder, texts, vocab_size=8192)
    config = DecoderConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=256, intermediate_size=768,
        num_hidden_layers=8, num_attention_heads=4, num_key_value_heads=2, head_dim=64,
        max_position_embeddings=2048, tie_word_embeddings=True,
    )  # fmt: skip
    decoder = Decoder.fresh(config, seed=1)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.02)
    sys.stdout.write(f"{sum(w.numel() for w in decoder.parameters()):,} parameters\n")
    save_decoder(folder, decoder, eos_ids=tokenizer.eos_ids)
    return tokenizer


def run_ours(task: dict) -> dict:
    """Return tokens and CPU-seconds of our loop after the first steps."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    scratch = Path(task["scratch"])
    config = TrainingConfig(
        max_steps=task["steps"], optimizer="adamw", learning_rate=1e-3, warmup_steps=0,
        num_ranks=1, **task["settings"],
    )  # fmt: skip
    job = TrainingJob(
        config=config, start=Path(task["model"]), data=PackedData(scratch / "packed"),
        scratch=scratch, model_folder=scratch / "model", metrics_file=scratch / "metrics.jsonl",
    )  # fmt: skip
    learner = open_learner(job, ranks=Ranks(rank=0, num_ranks=1), beat=lambda: None)
    source = PackedSource(open_packed(job.data.folder))
    tokens, started = 0, 0.0
    for step in range(config.max_steps):
        if step == WARM_STEPS:
            tokens, started = 0, time.process_time()
        first = step * config.global_batch_size
        places = np.arange(first, first + config.global_batch_size) % source.num_samples
        batch: Batch = source.batch(places)
        learner.learn(batch)
        learner.update(step, fraction=1.0)
        tokens += int((source.rows.segment_ids[places] > 0).sum())
    return {"tokens": tokens, "cpu_seconds": time.process_time() - started}


@torch.no_grad()
def mean_losses(model: Path, documents: list[Encoded], packed: Path) -> tuple[float, float]:
    """Return the mean loss of packed rows, and of the same documents one at a time."""
    decoder, source = load_decoder(model), PackedSource(open_packed(packed))
    sums = [summed_loss(decoder, source.batch(np.array([row])))
            for row in range(source.num_samples)]  # fmt: skip
    alone = []
    for ids, mask in documents:
        ids_BT, mask_BT = torch.tensor([ids]), torch.tensor([mask])  # noqa: N806
        alone.append(summed_loss(decoder, Batch(ids_BT[:, :-1], ids_BT[:, 1:], mask_BT[:, 1:])))
    return tuple(sum(float(loss) for loss, _ in found) / sum(count for _, count in found)
                 for found in (sums, alone))  # fmt: skip


def measure(python: str, script: str, task: dict) -> float:
    """Return the tokens a CPU-second of one way, run in a process of its own."""
    command = [python, script, json.dumps(task)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return found["tokens"] / found["cpu_seconds"]


def main() -> None:
    """Print each way's rate, the ratios, the fill and the losses."""
    arguments = read_arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chats = read_chats(arguments.data)
        tokenizer = write_model(folder / "model", chats)
        documents = [render_training(tokenizer, chat) for chat in chats]
        documents = [one for one in documents if len(one[0]) <= arguments.length + 1]
        order = np.random.default_rng(1).permutation(len(documents))
        documents = [documents[int(place)] for place in order]
        (folder / "documents.json").write_text(json.dumps(documents))
        rows = pack_documents(documents, sequence_length=arguments.length, padding_id=0)
        shuffled = np.random.default_rng(2).permutation(len(rows.input_ids))
        for field in ("input_ids", "loss_mask", "segment_ids"):
            getattr(rows, field)[:] = getattr(rows, field)[shuffled]
        write_packed(folder / "packed", rows)
        lengths = [len(ids) for ids, _ in documents]
        sys.stdout.write(
            f"{len(documents):,} chats, {statistics.mean(lengths):.0f} tokens on the average, "
            f"{np.mean([np.mean(mask) for _, mask in documents]):.1%} of them learnt; rows of "
            f"{arguments.length} {float((rows.segment_ids > 0).mean()):.2%} full\n"
        )
        first = documents[:100]
        write_packed(folder / "few", pack_documents(first, sequence_length=arguments.length,
                                                     padding_id=0))  # fmt: skip
        packed, alone = mean_losses(folder / "model", first, folder / "few")
        sys.stdout.write(f"loss packed {packed:.8f}, one at a time {alone:.8f}, "
                         f"difference {abs(packed - alone):.1e}\n")  # fmt: skip
        task = {"model": str(folder / "model"), "documents": str(folder / "documents.json"),
                "scratch": str(folder), "steps": arguments.steps}  # fmt: skip
        ours_settings = {"sequence_length": arguments.length, "micro_batch_size": 2,
                         "global_batch_size": 4}  # fmt: skip
        rates: dict[str, list[float]] = {}
        for _ in range(arguments.rounds):
            rate = measure(sys.executable, __file__, {**task, "settings": ours_settings})
            rates.setdefault("ours", []).append(rate)
            sys.stdout.write(f"ours: {rate:.0f}\n")
            for way in arguments.ways:
                settings = TRL_WAYS[way]
                script = str(Path(__file__).with_name("tune_trl.py"))
                rate = measure(arguments.peer, script, {**task, "settings": settings})
                rates.setdefault(way, []).append(rate)
                sys.stdout.write(f"{way}: {rate:.0f}\n")
        ours = statistics.median(rates["ours"])
        for way, found in rates.items():
            rate = statistics.median(found)
            sys.stdout.write(f"{way:<22} {rate:7.0f} tokens/CPU-s   ours / it {ours / rate:.2f}\n")


def read_arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--ways", nargs="*", default=list(TRL_WAYS), choices=list(TRL_WAYS))
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        sys.stdout.write(json.dumps(run_ours(json.loads(sys.argv[1]))) + "\n")
    else:
        main()
