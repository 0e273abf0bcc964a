"""Bits per byte of one model on held-out samples, the loss being that of the training loop.

Of a chat only what the assistant says is scored, of a text all but the first token.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from lodesmith.core.process import count_free_cores
from lodesmith.core.shards import Markers, map_shards
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.decoder import Decoder
from lodesmith.train.objectives.loss import summed_loss
from lodesmith.train.samples.loader import PackedSource
from lodesmith.train.samples.packed import Encoded, pack_documents
from lodesmith.tune.samples.encode import Encoder
from lodesmith.tune.samples.samples import Sample

_MAX_WINDOW = 1024  # tokens of a text that are scored at once
_TOKENS_PER_FORWARD = 2048


def score_models(
    wanted: Mapping[str, tuple[Path, Mapping[str, Sequence[Sample]]]],
    *,
    encoder: Encoder,
    markers: Markers,
) -> dict[str, dict[str, float]]:
    """Return the bits per byte of models on the held-out samples of domains, model by model.

    Args:
        wanted: folder and samples by domain, for each model by name; their tokenizer is that of
            the encoder. A domain in which there is nothing to score is left out.
        encoder: how chats are written.
        markers: where finished scores are kept.
    """
    tasks = {name: (folder, dict(domains), encoder) for name, (folder, domains) in wanted.items()}
    found = map_shards(_score_model, tasks, markers=markers, num_workers=count_free_cores())
    return dict(zip(tasks, found, strict=True))


def _score_model(
    folder: Path, domains: dict[str, Sequence[Sample]], encoder: Encoder
) -> dict[str, float]:
    torch.set_num_threads(1)  # on any number of cores the same sums
    decoder = load_decoder(folder)
    window = min(_MAX_WINDOW, decoder.config.max_position_embeddings)
    scores = {}
    for name, samples in domains.items():
        documents = [
            (ids[: window + 1], mask[: window + 1])
            for sample in samples
            for ids, mask in encoder.documents(sample, max_tokens=window + 1)
        ]
        documents = [(ids, mask) for ids, mask in documents if any(mask[1:])]
        if documents:
            scores[name] = _bits_per_byte(decoder, documents, encoder.tokenizer, window)
    return scores


@torch.inference_mode()
def _bits_per_byte(
    decoder: Decoder, documents: Sequence[Encoded], tokenizer: Tokenizer, window: int
) -> float:
    packed = pack_documents(documents, sequence_length=window, padding_id=tokenizer.end_of_text_id)
    source = PackedSource(packed)
    size = max(1, _TOKENS_PER_FORWARD // window)
    nats = 0.0
    for start in range(0, source.num_samples, size):
        rows = np.arange(start, min(start + size, source.num_samples))
        nats += float(summed_loss(decoder, source.batch(rows))[0])
    num_bytes = sum(_num_bytes(document, tokenizer) for document in documents)
    return nats / math.log(2) / max(1, num_bytes)


def _num_bytes(document: Encoded, tokenizer: Tokenizer) -> int:
    ids = [number for number, learnt in zip(*document, strict=True) if learnt]
    return len(tokenizer.decode(ids, skip_special=True).encode())
