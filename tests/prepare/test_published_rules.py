"""English tokens and the published rule sets: which text each rule drops, and what it keeps."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.documents import Document
from lodesmith.native.quality import count_english, count_repeats, split_english
from lodesmith.prepare.config import QualityConfig, RuleSet
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.quality import judge
from lodesmith.prepare.words import split_words

_SENTENCES = [
    "The quick start shows how to open a document and where its settings are kept.",
    "A template holds styles, so that every letter of a company looks the same.",
    "You can protect single cells against changes with a password of your own.",
    "When a formula refers to another sheet, the name of that sheet stands before the cell.",
    "Charts follow their data: whatever you type into the table is drawn at once.",
    "Nobody has to be an expert to draw a chart, and help is never far away.",
]
_GOOD = "\n".join(_SENTENCES)


def _judge(text: str, *sets: RuleSet) -> Document | Drop:
    document = Document(id="1", source="s", url="u", language="en", text=text)
    return judge(document, QualityConfig(rule_sets=sets))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't they say I'm late?", ["Do", "n't", "they", "say", "I", "'m", "late", "?"]),
        ("Dr. Smith paid $5.50, i.e. 5km/h...", None),
        ("(see http://example.com/a,b.)", ["(", "see", "http://example.com/a,b", ".", ")"]),
        ("well-known e.g. the U.S.", ["well", "-", "known", "e.g.", "the", "U.S."]),
        ("end.Start of one,two", ["end", ".", "Start", "of", "one", ",", "two"]),
        ("def f(x):)", ["def", "f(x", "):", ")"]),
        ("at 5pm cannot", ["at", "5", "pm", "can", "not"]),
        ("wait...what", ["wait", "...", "what"]),
        ("it costs 20% or 10kg", ["it", "costs", "20", "%", "or", "10", "kg"]),
        ("中文，没有", ["中文，没有"]),
        ("  \n\t ", []),
    ],
)
def test_english_tokens_are_cut_as_the_published_rules_need_them(
    text: str, tokens: list[str] | None
) -> None:
    found = split_english(text)
    if tokens is not None:
        assert found == tokens
    assert "".join(found) == "".join(text.split())


@given(st.text("ab.,-'\"()!:/ \n§%=—+1$é中。\u00a0"))
def test_tokens_lose_nothing_but_white_space(text: str) -> None:
    assert "".join(split_english(text)) == "".join(text.split())


@given(st.text(st.sampled_from("ab.\n #…-•") | st.characters(exclude_categories=["Cs"])))
def test_counts_are_those_of_the_plain_rules(text: str) -> None:
    counts = count_english(text).counts
    lines = text.splitlines()
    full = [line for line in text.split("\n") if line.strip()]
    assert counts["chars"] == len(text)
    assert counts["lines"] == len(lines)
    assert counts["hash_signs"] == text.count("#")
    assert counts["ellipses"] == text.count("...") + text.count("…")
    assert counts["bullet_lines"] == sum(line.strip().startswith(("•", "-")) for line in lines)
    assert counts["full_lines"] == len(full)
    assert counts["short_lines"] == sum(len(line) <= 30 for line in full)
    repeated = Counter(full)
    assert counts["copied_line_chars"] == sum(len(x) * (n - 1) for x, n in repeated.items())


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(2, 4))
def test_the_most_frequent_run_is_found(words: list[str], run: int) -> None:
    found = split_words(" ".join(words))
    runs = Counter(tuple(words[at : at + run]) for at in range(len(words) - run + 1))
    most = max(runs.values(), default=0)
    counts = count_repeats(found.hashes, found.lengths, free_copies=0)
    assert counts[f"top_{run}"] == most * run


@given(st.lists(st.sampled_from("abc"), max_size=80), st.integers(5, 10))
def test_copied_runs_are_counted_without_overlap(words: list[str], run: int) -> None:
    seen: set[tuple[str, ...]] = set()
    chars, at = 0, 0
    while at + run <= len(words):
        piece = tuple(words[at : at + run])
        chars += run if piece in seen else 0
        at += run if piece in seen else 1
        seen.add(piece)
    found = split_words(" ".join(words))
    counts = count_repeats(found.hashes, found.lengths, free_copies=0)
    assert counts[f"copied_{run}"] == chars


@pytest.mark.parametrize("rule_set", ["gopher_quality", "gopher_repetition", "c4", "fineweb"])
def test_prose_passes_each_set(rule_set: RuleSet) -> None:
    kept = _judge(_GOOD, rule_set)
    assert isinstance(kept, Document)
    assert kept.text == _GOOD


@pytest.mark.parametrize(
    ("rule_set", "text", "reason"),
    [
        ("gopher_quality", "Too short.", "gopher: too few words"),
        ("gopher_quality", "a b c d e f g h i j " * 10, "gopher: words too short on average"),
        ("gopher_quality", "konstantinopolitan " * 60, "gopher: words too long on average"),
        ("gopher_quality", _GOOD + " # # # # # # # # # # # # #", "gopher: too many hash signs"),
        ("gopher_quality", "\n".join(f"- {x}" for x in _SENTENCES),
         "gopher: almost only bullet points"),
        ("gopher_quality", "\n".join(f"{x} so…" for x in _SENTENCES),
         "gopher: too many lines cut short"),
        ("gopher_quality", "they said 1991 what 1992 is 1993 it 1994 " * 8,
         "gopher: too few words with letters"),
        ("gopher_quality", "keyword product price offer " * 15, "gopher: too few stop words"),
        ("gopher_repetition", "\n\n".join([_SENTENCES[3] * 2] * 2 + _SENTENCES[:3]),
         "gopher: characters in repeated paragraphs"),
        ("gopher_repetition", "\n".join([*"abcdef", _GOOD, *"abcdef"]), "gopher: lines repeated"),
        ("gopher_repetition", "cheap pills " * 30, "gopher: one run of 2 words over and over"),
        ("gopher_repetition", " ".join(_SENTENCES[:2] + _SENTENCES[2:3] + _SENTENCES[:2]),
         "gopher: characters in repeated runs of 5 words"),
        ("c4", _SENTENCES[0], "c4: too few sentences"),
        ("c4", _GOOD + "\nThis is where { opens.", "c4: curly bracket"),
        ("c4", _GOOD + "\nNow lorem ipsum dolor.", "c4: lorem ipsum"),
        ("fineweb", _GOOD.replace(".", ""), "fineweb: too few lines end as sentences"),
        ("fineweb", _GOOD + "\nshort." * 20, "fineweb: too many short lines"),
        ("fineweb", _GOOD + "\n" + _SENTENCES[0], "fineweb: characters in repeated lines"),
        ("fineweb", _GOOD + "\n" * 60, "fineweb: too many lines for its words"),
    ],
)  # fmt: skip
def test_each_published_rule_drops_what_it_is_for(
    rule_set: RuleSet, text: str, reason: str
) -> None:
    result = _judge(text, rule_set)
    assert isinstance(result, Drop)
    assert result.reason == reason
    assert result.value is not None
    assert result.limit is not None


def test_c4_takes_lines_and_citations_out_of_a_page_that_it_keeps() -> None:
    lines = [
        "Home | About", *_SENTENCES[:3], "This page needs Javascript to be of use.", "Only two.",
        "We use cookies, and this site uses cookies too.", *_SENTENCES[3:],
        "It is so.[12] Is it[edit].",
    ]  # fmt: skip
    kept = _judge("\n".join(lines), "c4")
    assert isinstance(kept, Document)
    assert kept.text.split("\n") == [*_SENTENCES, "It is so. Is it."]


@pytest.mark.parametrize("text", ["", "\n", " ", "\ufffd" * 9, "。" * 70, "." * 5000, "):" * 3000])
def test_odd_texts_are_judged_without_a_fault(text: str) -> None:
    sets: tuple[RuleSet, ...] = ("gopher_quality", "gopher_repetition", "c4", "fineweb")
    assert isinstance(_judge(text, *sets), Drop)
    for rule_set in sets:
        assert isinstance(_judge(text, rule_set), Document | Drop)
