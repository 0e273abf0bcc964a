"""How often the language of a sentence is told rightly, and how fast, beside py3langid.

    .venv/bin/python bench/language.py FOLDER

FOLDER holds one file of sentences for each language, `de.txt`, `zh.txt`, ... (ISO 639-1), one a
line. Norwegian Bokmål (`nb`) counts as `no`.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from lodesmith.prepare.language.detect_language import detect_language

_MAX_SENTENCES = 200
_MAIN = ("zh", "en", "es", "fr", "de", "ru", "ja", "ko")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures language identification.")
    parser.add_argument("folder", type=Path, help="folder of LANGUAGE.txt files")
    sentences = {
        path.stem: path.read_text("utf-8").splitlines()[:_MAX_SENTENCES]
        for path in sorted(parser.parse_args().folder.glob("*.txt"))
    }
    for name, tell in (("ours", lambda text: detect_language(text)[0]), ("py3langid", _peer())):
        _print_row(name, tell, sentences)


def _peer() -> Callable[[str], str]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return lambda text: str(identifier.classify(text)[0])


def _print_row(name: str, tell: Callable[[str], str], sentences: dict[str, list[str]]) -> None:
    tell("Load the model before the clock starts, please.")
    start = time.process_time()
    right = {
        language: statistics.fmean(_same(tell(text), language) for text in texts)
        for language, texts in sentences.items()
    }
    seconds = time.process_time() - start
    count = sum(map(len, sentences.values()))
    main = [share for language, share in right.items() if language in _MAIN]
    print(
        f"{name:10} all {len(right)}: {statistics.fmean(right.values()):.3f}, "
        f"main {len(main)}: {statistics.fmean(main or [0]):.3f}, "
        f"{seconds / count * 1e6:.0f} us a sentence"
    )
    worst = sorted(right.items(), key=lambda item: item[1])[:10]
    print("           lowest: " + ", ".join(f"{name} {share:.2f}" for name, share in worst))


def _same(found: str, language: str) -> bool:
    names = {"nb": "no"}
    return names.get(found, found) == names.get(language, language)


if __name__ == "__main__":
    main()
