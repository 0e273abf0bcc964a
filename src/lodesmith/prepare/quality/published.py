"""The published rule sets as they were published, for English tokens: Gopher, C4, FineWeb.

Whoever compares a corpus with others needs the others' very decisions. Words are taken as
datatrove 0.10 takes them, ratios have its denominators, and the first rule that fails speaks, in
its order; `bench/quality.py` compares every decision. One pass in C counts for all four sets.

Sources of the limits:
    gopher_quality     Rae et al., Gopher, arXiv:2112.11446, appendix A1.1
    gopher_repetition  the same, table A1
    c4                 Raffel et al., T5, arXiv:1910.10683, section 2.2
    fineweb            Penedo et al., FineWeb, arXiv:2406.17557, section 3.6
"""

from collections.abc import Callable, Iterator, Mapping

from lodesmith.prepare.quality.faults import Fault, above, below

Counts = Mapping[str, int]

_TOP_RUNS = {2: 0.20, 3: 0.18, 4: 0.16}
_COPIED_RUNS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def gopher_quality(counts: Counts) -> Iterator[Fault]:
    """Yield the verdicts of Gopher's rules on words, symbols and lines."""
    words, tokens = counts["plain_tokens"], counts["tokens"]
    yield below("gopher: too few words", words, 50)
    yield above("gopher: too many words", words, 100_000)
    mean_chars = counts["plain_chars"] / words
    yield below("gopher: words too short on average", mean_chars, 3)
    yield above("gopher: words too long on average", mean_chars, 10)
    yield above("gopher: too many hash signs", counts["hash_signs"] / tokens, 0.1)
    yield above("gopher: too many ellipses", counts["ellipses"] / tokens, 0.1)
    lines = counts["lines"]
    yield above("gopher: almost only bullet points", counts["bullet_lines"] / lines, 0.9)
    yield above("gopher: too many lines cut short", counts["ellipsis_lines"] / lines, 0.3)
    yield below("gopher: too few words with letters", counts["alpha_tokens"] / tokens, 0.8)
    yield below("gopher: too few stop words", counts["stop_words"], 2)


def gopher_repetition(counts: Counts) -> Iterator[Fault]:
    """Yield the verdicts of Gopher's rules on repeated paragraphs, lines and runs of words."""
    chars = counts["chars"]
    yield below("gopher: empty", chars, 1)
    copied = counts["copied_paragraphs"] / counts["paragraphs"]
    yield above("gopher: paragraphs repeated", copied, 0.3)
    copied = counts["copied_paragraph_chars"] / chars
    yield above("gopher: characters in repeated paragraphs", copied, 0.2)
    yield above("gopher: lines repeated", counts["copied_blocks"] / counts["blocks"], 0.3)
    copied = counts["copied_block_chars"] / chars
    yield above("gopher: characters in repeated lines", copied, 0.2)
    for run, limit in _TOP_RUNS.items():
        reason = f"gopher: one run of {run} words over and over"
        yield above(reason, counts[f"top_{run}"] / chars, limit)
    for run, limit in _COPIED_RUNS.items():
        reason = f"gopher: characters in repeated runs of {run} words"
        yield above(reason, counts[f"copied_{run}"] / chars, limit)


def fineweb(counts: Counts) -> Iterator[Fault]:
    """Yield the verdicts of FineWeb's own rules, which look at lines."""
    lines = counts["full_lines"]
    yield below("fineweb: empty", lines, 1)
    stopped = counts["stopped_lines"] / lines
    yield below("fineweb: too few lines end as sentences", stopped, 0.12)
    yield above("fineweb: too many short lines", counts["short_lines"] / lines, 0.67)
    chars = counts["chars"] - counts["newlines"]
    copied = counts["copied_line_chars"] / chars
    yield above("fineweb: characters in repeated lines", copied, 0.01)
    newlines = counts["newlines"] / max(counts["tokens"], 1)
    yield above("fineweb: too many lines for its words", newlines, 0.3)


def c4(counts: Counts) -> Iterator[Fault]:
    """Yield the verdicts of C4's rules on a page; its rules on lines are in `kept_lines`."""
    yield above("c4: lorem ipsum", counts["c4_lorem"], 0)
    yield above("c4: curly bracket", counts["c4_bracket"], 0)
    yield below("c4: too few sentences", counts["c4_sentences"], 5)


PUBLISHED: dict[str, Callable[[Counts], Iterator[Fault]]] = {
    "gopher_quality": gopher_quality,
    "gopher_repetition": gopher_repetition,
    "fineweb": fineweb,
    "c4": c4,
}
