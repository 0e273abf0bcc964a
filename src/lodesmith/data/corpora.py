"""Which tokens of a token set came from which corpus: runs, in the order of the tokens.

Stands beside a token set as `corpora.json`: [{"corpus", "first_token", "num_tokens"}, ...]
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.storage import read_json, write_json
from lodesmith.data.mixture import MixtureOrder, Share, check_mixture
from lodesmith.data.tokens import TokenSet

CORPORA_FILE = "corpora.json"


def write_corpora(folder: Path, runs: Iterable[tuple[str, int]]) -> None:
    """Write a token set's runs.

    Args:
        folder: of the token set.
        runs: (corpus, number of documents), in the order of the documents.
    """
    tokens = TokenSet.open(folder)
    entries: list[dict[str, str | int]] = []
    document = start = 0
    for corpus, num_documents in runs:
        document += num_documents
        end = int(tokens.ends[document - 1]) if document else 0
        if entries and entries[-1]["corpus"] == corpus:
            entries[-1]["num_tokens"] = end - int(entries[-1]["first_token"])
        elif end > start:
            entries.append({"corpus": corpus, "first_token": start, "num_tokens": end - start})
        start = end
    write_json(folder / CORPORA_FILE, entries)


def mixture_order(
    tokens: TokenSet, weights: Mapping[str, float], *, sequence_length: int, seed: int
) -> MixtureOrder:
    """Return the order in which a run reads a token set's corpora by weight.

    Raises:
        UserError: a corpus is unknown or too short, or the set does not know its corpora.
    """
    windows = _windows_by_corpus(tokens, sequence_length)
    check_mixture(weights, {name: sum(map(len, runs)) for name, runs in windows.items()})
    shares = tuple(
        Share(name, weight, tuple(windows[name])) for name, weight in sorted(weights.items())
    )
    return MixtureOrder(shares, seed)


def _windows_by_corpus(tokens: TokenSet, sequence_length: int) -> dict[str, list[range]]:
    path = tokens.folder / CORPORA_FILE
    if not path.is_file():
        raise UserError(
            f"{tokens.folder} does not say which tokens came from which corpus; encode the text "
            "again, or leave out mixture"
        )
    windows: dict[str, list[range]] = {}
    last = tokens.num_windows(sequence_length)
    try:
        for entry in read_json(path):
            end = entry["first_token"] + entry["num_tokens"]
            first = -(-entry["first_token"] // sequence_length)
            run = range(first, min(-(-end // sequence_length), last))
            windows.setdefault(entry["corpus"], []).extend([run] if run else [])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedArtifactError(
            f"{path} is torn ({error}); remove its artifact and run again"
        ) from None
    return windows
