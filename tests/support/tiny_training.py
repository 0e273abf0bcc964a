"""A training job of a second: a small decoder that learns to count."""

import hashlib
from dataclasses import replace
from pathlib import Path

from lodesmith.data.tokens import write_token_set
from lodesmith.model.config import DecoderConfig
from lodesmith.train.config import TrainingConfig
from lodesmith.train.job import PackedData, TokenSetData, TrainingJob
from lodesmith.train.samples.packed import pack_documents, write_packed

VOCAB_SIZE = 40
SHAPE = DecoderConfig(
    vocab_size=VOCAB_SIZE,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
)
LAYERED = SHAPE.model_copy(update={"num_hidden_layers": 4, "tie_word_embeddings": False})


def make_job(folder: Path, **settings) -> TrainingJob:
    """Return a job below a folder; `settings` change its training config."""
    tokens = folder / "tokens"
    if not tokens.exists():
        documents = (
            (f"document-{number}", [(number + place) % 39 for place in range(50)])
            for number in range(60)
        )
        write_token_set(
            tokens, documents, vocab_size=VOCAB_SIZE, tokenizer_digest="none", separator_id=39
        )
    defaults = {
        "max_steps": 12,
        "global_batch_size": 8,
        "micro_batch_size": 2,
        "sequence_length": 16,
        "warmup_steps": 2,
        "checkpoint_every_steps": 4,
        "num_ranks": 1,
    }
    return TrainingJob(
        config=TrainingConfig(**{**defaults, **settings}),
        start=SHAPE,
        data=TokenSetData(tokens),
        scratch=folder / "scratch",
        model_folder=folder / "model",
        metrics_file=folder / "metrics.jsonl",
        eos_ids=(39,),
        title="tiny",
    )


def laid_out_job(folder: Path, **settings) -> TrainingJob:
    """Return a job of a model that a pipeline can cut."""
    if "parallel" in settings:
        settings["num_ranks"] = "auto"
    shape = LAYERED.model_copy(update={"experts": settings.pop("experts", None)})
    return replace(make_job(folder, **settings), start=shape)


def packed_job(folder, **settings):
    """Teach answers of one token to questions of two, with nothing learnt on the questions."""
    documents = [
        ([number % 39, (number * 7) % 39, (number * 8) % 39], [False, False, True])
        for number in range(200)
    ]
    write_packed(folder / "packed", pack_documents(documents, sequence_length=16, padding_id=39))
    return replace(make_job(folder, **settings), data=PackedData(folder / "packed"))


def weights_digest(job: TrainingJob) -> str:
    """Return the hash of the trained weights."""
    return hashlib.sha256((job.model_folder / "model.safetensors").read_bytes()).hexdigest()
