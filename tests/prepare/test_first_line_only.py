from lodesmith.prepare.clean import clean
from lodesmith.prepare.config import ExactDuplicatesConfig, PrepareConfig
from lodesmith.prepare.duplicates.exact_duplicates import hash_line

SHARED = "This sentence of thirty columns stands on three pages, number 7."
PAGES = {
    "a.txt": f"{SHARED}\nOnly the first page says that apples are red in autumn.",
    "b.txt": f"{SHARED.replace('7', '8').upper()}\nThe second page tells of pears and plums.",
    "c.txt": f"Short line\n{SHARED}\nThe third page closes with cherries from the garden.",
    "d.txt": "Short line\nThe fourth page shares nothing but a line too short to count.",
}


def clean_pages(folder, *, keep_first_line_only):
    for name, text in PAGES.items():
        (folder / name).write_text(text)
    lines = ExactDuplicatesConfig(keep_first_line_only=keep_first_line_only)
    output = folder / "out.jsonl"
    clean(
        [folder / name for name in PAGES],
        output=output,
        config=PrepareConfig(exact_duplicates=lines),
        steps=["exact_duplicates"],
    )
    return output.read_text("utf-8")


def test_a_repeated_line_stays_in_its_first_document_only(tmp_path):
    text = clean_pages(tmp_path, keep_first_line_only=True)
    assert text.casefold().count("stands on three pages") == 1
    assert text.count("Short line") == 2
    assert all(fruit in text for fruit in ("apples", "pears", "cherries", "fourth page"))


def test_repeated_lines_of_few_documents_stay_unless_asked(tmp_path):
    text = clean_pages(tmp_path, keep_first_line_only=False)
    assert text.casefold().count("stands on three pages") == 3


def test_lines_are_compared_without_case_and_digits():
    assert hash_line("Version 7.4 of LibreOffice") == hash_line("version 9.1 of libreoffice")
    assert hash_line("Version 7.4") != hash_line("Version 7.41")
