"""Trains the network of `native/replaced.c`: which words of a text stand in the place of others.

Good text is spun by `spinners.py`; every word says whether it was put there (replaced token
detection). What the words mean comes along as vectors that the network may shorten: those of a
language model's embedding, or of a list, projected to their main directions. How much more often
spinning puts a word than people do is where its own weight begins, for most words are too rare to
learn it. How usual the pairs are that a word stands in comes from the filter, made without the
text's source. Afterwards all numbers are made whole.
"""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lodesmith.model.gguf import open_gguf
from lodesmith.native import naturalness as native
from lodesmith.native import replaced
from lodesmith.native.words import split
from lodesmith.prepare.quality import natural
from spinners import Pieces, Spinner, join

NUM_WORDS = 40_000
RATES = (0.15, 0.3, 0.5, 0.7, 0.9)
VARIANTS, BATCH, EPOCHS, RATE = 3, 32, 2, 3e-3
MIN_WORDS = 30
_PART = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_VECTOR_STEPS, _WEIGHT_STEPS = 48, 512  # whole numbers to a unit
_PUT_LIMITS, _PUT_WEIGHT = (-3.0, 4.0), 0.5


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words that have a row of their own; row NUM_MARKS + n belongs to key n."""

    keys: Any  # whole hashes
    vectors: Any  # (words, dimensions), before projection
    put: Any  # (words,), logarithm of how often spinning puts a word, beside how often it stands

    def rows_of(self, words: Any, sizes: Any, flags: Any) -> Any:
        """Return the row of each word of a text, as the kernel finds it."""
        order = np.argsort(self.keys, kind="stable")
        ordered = self.keys[order]
        places = np.minimum(np.searchsorted(ordered, words), len(ordered) - 1)
        is_known = ordered[places] == words
        firsts = np.cumsum(sizes.astype(np.int64)) - sizes
        marks = np.where(flags[firsts] & 2, replaced.UNKNOWN, replaced.NUMBER)
        return np.where(is_known, order[places] + replaced.NUM_MARKS, marks).astype(np.int64)


def make_vocabulary(words: Sequence[str], vectors: Any, put: dict[str, float]) -> Vocabulary:
    """Return words with their keys, as texts are cut into them."""
    keys = []
    for word in words:
        parts = split(word.encode())[0]
        keys.append(parts[0] if len(parts) == 1 else native.key_runs(parts, len(parts), 0)[0])
    return Vocabulary(
        np.array(keys, np.uint64),
        np.asarray(vectors, np.float32),
        np.clip([put.get(word, -9.0) for word in words], *_PUT_LIMITS).astype(np.float32),
    )


def read_gguf_vectors(path: Path, words: Sequence[str]) -> Any:
    """Return a vector for each word: the mean of its tokens' in a model's embedding."""
    file = open_gguf(path)
    tokens = {t: n for n, t in enumerate(file.entry("tokenizer.ggml.tokens", list))}
    table = file.read("token_embd.weight")
    table = table - table.mean(0)
    return np.stack([table[_pieces("Ġ" + word, tokens)].mean(0) for word in words])


def _pieces(text: str, tokens: dict[str, int]) -> list[int]:
    """Return tokens, the longest first; every byte is one."""
    found: list[int] = []
    while text:
        size = next(n for n in range(len(text), 0, -1) if text[:n] in tokens or n == 1)
        found += [tokens[text[:size]]] if text[:size] in tokens else []
        text = text[size:]
    return found


# -- samples --


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows of a text's words, the symbols of its pairs, and which words replace others."""

    rows: Any
    pairs: Any  # one before each word, and one after the last
    labels: Any


def make_samples(
    texts: Iterable[str], spinners: Sequence[Spinner], of: Vocabulary, bits: Any, seed: int
) -> Iterator[Sample]:
    """Yield each text as it is, and spun a few times; `bits` must not know the texts."""
    chance = random.Random(seed)
    for text in texts:
        whole: Pieces = [(text, False)]
        spun = (
            chance.choice(spinners)(text, chance.choice(RATES), chance) for _ in range(VARIANTS)
        )
        for pieces in (whole, *spun):
            sample = _to_sample(pieces, of, bits)
            if sample is not None:
                yield sample


def _to_sample(pieces: Pieces, of: Vocabulary, bits: Any) -> Sample | None:
    parts, _, flags = split(join(pieces).encode("utf-8", "replace"))
    of_parts = [is_put for piece, is_put in pieces for _ in _PART.findall(piece)]
    if len(of_parts) != len(parts):  # a character that only one of the two takes for a letter
        return None
    if len(parts) < MIN_WORDS:
        return None
    found = native.measure(parts, flags, bits, np.zeros(0, np.uint64), natural.SORTS)
    if found.num_words < MIN_WORDS:
        return None
    firsts = np.cumsum(found.sizes.astype(np.int64)) - found.sizes
    return Sample(
        of.rows_of(found.words, found.sizes, flags),
        np.r_[replaced.NO_PAIR, found.symbols[natural.PAIRS], replaced.NO_PAIR],
        np.maximum.reduceat(np.array(of_parts, np.uint8), firsts),
    )


# -- the network --


class _Net(torch.nn.Module):
    def __init__(self, of: Vocabulary) -> None:
        super().__init__()
        vectors = of.vectors
        num_rows, width = replaced.NUM_MARKS + len(vectors), replaced.WIDTH
        centred = vectors - vectors.mean(0)
        directions = np.linalg.svd(centred[:8000], full_matrices=False)[2][:width]
        short = centred @ directions.T
        self.vectors = torch.nn.Embedding(num_rows, width)
        self.own = torch.nn.Embedding(num_rows, 1)
        with torch.no_grad():
            self.vectors.weight[replaced.NUM_MARKS :] = torch.tensor(short / (2 * short.std()))
            self.vectors.weight[: replaced.NUM_MARKS] *= 0.1
            self.own.weight.zero_()
            put = _PUT_WEIGHT * (of.put - of.put[: len(of.put) // 4].mean())
            self.own.weight[replaced.NUM_MARKS :, 0] = torch.tensor(put)
        num_inputs = (2 * replaced.REACH + 1) * width
        self.window = torch.nn.Linear(num_inputs, replaced.HIDDEN)
        self.subject = torch.nn.Linear(width, replaced.HIDDEN, bias=False)
        self.before = torch.nn.Embedding(replaced.NO_PAIR + 1, replaced.HIDDEN)
        self.after = torch.nn.Embedding(replaced.NO_PAIR + 1, replaced.HIDDEN)
        with torch.no_grad():
            self.before.weight.zero_()
            self.after.weight.zero_()
        self.output = torch.nn.Linear(replaced.HIDDEN, 1)

    def forward(self, rows: torch.Tensor, pairs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        reach = replaced.REACH
        beyond = torch.full((len(rows), reach), replaced.BEYOND)
        vectors = self.vectors(torch.cat([beyond, rows, beyond], 1))
        own = self.vectors(rows) * mask[..., None]
        mean = own.sum(1, keepdim=True) / mask.sum(1)[:, None, None]
        num_words = rows.shape[1]
        window = torch.cat([vectors[:, at : at + num_words] for at in range(2 * reach + 1)], -1)
        usual = self.before(pairs[:, :-1]) + self.after(pairs[:, 1:])
        hidden = torch.relu(self.window(window) + usual + self.subject(mean))
        return (self.output(hidden) + self.own(rows))[..., 0]


def train(samples: Sequence[Sample], of: Vocabulary, *, seed: int) -> replaced.Network:
    """Return the network that tells replaced words of the samples from others."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # so that sums do not depend on the machine's cores
    net = _Net(of)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    chance = random.Random(seed)
    num_steps, step = EPOCHS * -(-len(samples) // BATCH), 0
    for epoch in range(EPOCHS):
        total = 0.0
        for rows, pairs, labels, mask in _batches(samples, chance):
            optimizer.param_groups[0]["lr"] = RATE * (1 - step / num_steps) + 1e-5
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                net(rows, pairs, mask), labels, reduction="none"
            )
            loss = (losses * mask).sum() / mask.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            total += float(loss.detach())
        print(f"  epoch {epoch}: loss {total * EPOCHS / num_steps:.4f}", flush=True)
    return _to_whole_numbers(net, of)


def _batches(samples: Sequence[Sample], chance: random.Random) -> Iterator[Any]:
    """Yield samples of like length, the short ones filled up."""
    order = sorted(range(len(samples)), key=lambda n: len(samples[n].rows))
    groups = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
    chance.shuffle(groups)
    for group in groups:
        longest = max(len(samples[n].rows) for n in group)
        rows = np.full((len(group), longest), replaced.BEYOND, np.int64)
        pairs = np.full((len(group), longest + 1), replaced.NO_PAIR, np.int64)
        labels, mask = (np.zeros((len(group), longest), np.float32) for _ in range(2))
        for row, n in enumerate(group):
            size = len(samples[n].rows)
            rows[row, :size], labels[row, :size] = samples[n].rows, samples[n].labels
            pairs[row, : size + 1] = samples[n].pairs
            mask[row, :size] = 1
        yield tuple(map(torch.from_numpy, (rows, pairs, labels, mask)))


def _to_whole_numbers(net: _Net, of: Vocabulary) -> replaced.Network:
    of_vectors, of_weights, shift = _VECTOR_STEPS, _WEIGHT_STEPS, 8
    units = of_vectors * of_weights  # of a hidden unit's level
    of_output = 512
    scale = (units >> shift) * of_output  # of a logit
    numbers = {name: each.detach().numpy() for name, each in net.state_dict().items()}

    def whole(values: Any, kind: Any, steps: float) -> Any:
        limits = np.iinfo(kind)
        return np.clip(np.rint(values * steps), limits.min, limits.max).astype(kind)

    vectors = np.clip(numbers["vectors.weight"] * of_vectors, -127, 127)
    return replaced.Network(
        keys=(of.keys >> np.uint64(32)).astype(np.uint32),
        vectors=whole(vectors, np.int16, 1),
        own=whole(numbers["own.weight"][:, 0], np.int32, scale),
        window=whole(numbers["window.weight"], np.int16, of_weights),
        subject=whole(numbers["subject.weight"], np.int16, of_weights),
        before=whole(numbers["before.weight"], np.int32, units),
        after=whole(numbers["after.weight"], np.int32, units),
        offsets=whole(numbers["window.bias"], np.int32, units),
        output=whole(numbers["output.weight"][0], np.int32, of_output),
        hidden_shift=shift,
        offset=int(np.rint(numbers["output.bias"][0] * scale)),
        scale=scale,
    )
