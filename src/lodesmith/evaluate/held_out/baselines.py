"""What a model must beat: simpler ways to say the held-out text in few bits.

Each baseline gets the training text and the held-out text of one language and returns the bits that
the held-out text costs someone who already has the training text.
"""

import lzma
from collections.abc import Sequence
from math import log2

import numpy as np

from lodesmith.evaluate.held_out.ngram import NgramModel, Numbers

ORDER = 5  # symbols of an n-gram: four of context and the one predicted
_MAX_ALPHABET = 6000  # with an escape and a start, the fifth power is just below 2 to the 63rd
_MIN_DICTIONARY_BYTES = 1 << 20


def byte_5gram_bits(training: Sequence[str], held_out: Sequence[str]) -> float:
    """Return the bits under a 5-gram model of bytes, which sees four bytes back.

    In Chinese, four bytes are little more than one character.
    """
    model = NgramModel(map(_bytes_of, training), num_symbols=256, order=ORDER)
    return model.bits(map(_bytes_of, held_out))


def character_5gram_bits(training: Sequence[str], held_out: Sequence[str]) -> float:
    """Return the bits under a 5-gram model of characters, which sees four characters back.

    A character that is not among the 6,000 most frequent of the training text costs an escape
    symbol and eight bits for each of its UTF-8 bytes.
    """
    training_points = [_points_of(text) for text in training]
    held_out_points = [_points_of(text) for text in held_out]
    alphabet = _alphabet(training_points)
    strangers = [
        point for points in held_out_points for point in points[~np.isin(points, alphabet)]
    ]
    spelled = sum(8 * len(chr(point).encode()) for point in strangers)
    return spelled + _escaped_bits(training_points, held_out_points, alphabet)


def token_5gram_bits(
    training: Sequence[Numbers], held_out: Sequence[Numbers], *, vocab_size: int
) -> float:
    """Return the bits under a 5-gram model of the model's own tokens.

    A token that is not among the 6,000 most frequent of the training text costs an escape symbol
    and the bits of a choice among all tokens outside them.
    """
    alphabet = _alphabet(training)
    num_strangers = sum(int((~np.isin(ids, alphabet)).sum()) for ids in held_out)
    spelled = num_strangers * log2(max(vocab_size - len(alphabet), 1))
    return spelled + _escaped_bits(training, held_out, alphabet)


def xz_bytes(texts: Sequence[str]) -> int:
    """Return the size of the texts as `xz -9e` packs them with a dictionary that holds them all.

    The bits of held-out text are the growth in size when it is put behind the training text:
    8 * (xz_bytes(training + held_out) - xz_bytes(training)).
    """
    data = "\n".join(texts).encode()
    dictionary = max(_MIN_DICTIONARY_BYTES, 1 << len(data).bit_length())
    preset = 9 | lzma.PRESET_EXTREME
    filters = [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": dictionary}]
    return len(lzma.compress(data, format=lzma.FORMAT_XZ, filters=filters))


def _escaped_bits(
    training: Sequence[Numbers], held_out: Sequence[Numbers], alphabet: Numbers
) -> float:
    """Return the bits of the held-out symbols, all outside the alphabet taken as one escape."""
    escape = len(alphabet)

    def renumber(symbols: Numbers) -> Numbers:
        if escape == 0:
            return np.zeros_like(symbols)
        places = np.minimum(np.searchsorted(alphabet, symbols), escape - 1)
        return np.where(alphabet[places] == symbols, places, escape)

    model = NgramModel(map(renumber, training), num_symbols=escape + 1, order=ORDER)
    return model.bits(map(renumber, held_out))


def _alphabet(documents: Sequence[Numbers]) -> Numbers:
    """Return the most frequent symbols, in ascending order; of equals, the lower ones."""
    if not documents:
        return np.zeros(0, np.int64)
    symbols, counts = np.unique(np.concatenate(documents), return_counts=True)
    kept: Numbers = np.sort(symbols[np.argsort(-counts, kind="stable")[:_MAX_ALPHABET]])
    return kept


def _bytes_of(text: str) -> Numbers:
    return np.frombuffer(text.encode(), np.uint8).astype(np.int64)


def _points_of(text: str) -> Numbers:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.int64)
