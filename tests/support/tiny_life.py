"""A tiny but whole life of a model: pages, chat rows and a recipe that runs in seconds.

The pages are made up here, in English and Chinese, with what real pages have: navigation that
repeats on all of them, exact and near copies, a page in the wrong language, an e-mail address.
"""

import json
import random
from pathlib import Path

_SUBJECTS_EN = ["table", "frame", "style", "chart", "macro", "page", "header", "field", "index"]
_VERBS_EN = ["insert", "delete", "format", "protect", "sort", "filter", "rotate", "align", "print"]
_PLACES_EN = ["document", "spreadsheet", "drawing", "presentation", "database", "template"]
_SUBJECTS_ZH = ["表格", "框架", "样式", "图表", "宏", "页面", "页眉", "字段", "索引"]
_VERBS_ZH = ["插入", "删除", "设置", "保护", "排序", "筛选", "旋转", "对齐", "打印"]
_PLACES_ZH = ["文档", "电子表格", "绘图", "演示文稿", "数据库", "模板"]


def write_pages(folder: Path, *, num_topics: int = 60, seed: int = 7) -> None:
    """Write two twin pages, English and Chinese, for each topic, and a few faulty ones."""
    chance = random.Random(seed)
    for topic in range(num_topics):
        for language, paragraphs in (("en", _english(chance)), ("zh-CN", _chinese(chance))):
            path = folder / language / f"topic{topic:03d}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_page(f"Topic {topic}", paragraphs), encoding="utf-8")
    copy = (folder / "en" / "topic000.html").read_text("utf-8")
    (folder / "zh-CN" / "untranslated.html").write_text(copy, encoding="utf-8")
    (folder / "en" / "empty.html").write_text("<html><body><p>ok</p></body></html>")


def write_chats(path: Path, *, num_rows: int = 24) -> None:
    """Write chat rows in OpenAI's form."""
    rows = []
    for number in range(num_rows):
        subject, zh = _SUBJECTS_EN[number % 9], _SUBJECTS_ZH[number % 9]
        rows.append(
            _row(f"How do I insert a {subject} number {number}?", f"Choose Insert - {subject}.")
        )
        rows.append(_row(f"怎样插入第{number}个{zh}？", f"请选择插入菜单中的{zh}命令。"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def write_recipe(path: Path, *, pages: Path, chats: Path, max_steps: int = 30) -> Path:
    """Write a recipe over those pages and chat rows."""
    path.write_text(
        _RECIPE.format(pages=json.dumps(str(pages)), chats=json.dumps(str(chats)), steps=max_steps),
        encoding="utf-8",
    )
    return path


def write_life(folder: Path, *, max_steps: int = 30) -> Path:
    """Write pages, chat rows and the recipe; return the recipe's path."""
    write_pages(folder / "pages")
    write_chats(folder / "chats" / "chats.jsonl")
    return write_recipe(
        folder / "tiny.yaml", pages=folder / "pages", chats=folder / "chats", max_steps=max_steps
    )


_RECIPE = """\
acquire:
  sources:
    - files: {pages}
      name: help
      licence: CC0-1.0
    - files: {chats}
      name: chats
      use: chat
      paths: ["**/*.jsonl"]
      licence: CC0-1.0
prepare: {{}}
tokenize: {{vocab_size: 600, held_out_fraction: 0.15}}
model:
  hidden_size: 32
  intermediate_size: 96
  num_hidden_layers: 2
  num_attention_heads: 2
  num_key_value_heads: 1
  head_dim: 16
  max_position_embeddings: 64
pretrain:
  max_steps: {steps}
  global_batch_size: 4
  micro_batch_size: 2
  sequence_length: 64
  warmup_steps: 5
  checkpoint_every_steps: 5
tune:
  max_steps: 10
  global_batch_size: 4
  micro_batch_size: 2
  sequence_length: 64
  warmup_steps: 2
  checkpoint_every_steps: 4
evaluate: {{}}
serve:
  max_tokens: 8
"""


def _page(title: str, paragraphs: list[str]) -> str:
    body = "".join(
        f"<h2>{title}: {index}</h2><p>{text}</p>" for index, text in enumerate(paragraphs)
    )
    return (
        f"<html><head><meta charset='utf-8'><title>{title}</title></head><body>"
        "<nav><a href='/'>Home page of the help system</a> <a href='/all'>All the topics</a></nav>"
        f"<h1>{title}</h1>{body}"
        "<footer>Report a mistake on this page to mistakes@example.org</footer></body></html>"
    )


def _english(chance: random.Random) -> list[str]:
    return [" ".join(_english_sentence(chance) for _ in range(6)) for _ in range(4)]


def _english_sentence(chance: random.Random) -> str:
    verb, subject, place = (chance.choice(words) for words in (_VERBS_EN, _SUBJECTS_EN, _PLACES_EN))
    number = chance.randrange(1000)
    return chance.choice([
        f"To {verb} the {subject} in your {place}, choose the command number {number}.",
        f"The {subject} of a {place} can be changed before you {verb} it with key {number}.",
        f"If you {verb} this {subject}, the {place} will show {number} entries below it.",
    ])  # fmt: skip


def _chinese(chance: random.Random) -> list[str]:
    return ["".join(_chinese_sentence(chance) for _ in range(7)) for _ in range(4)]


def _chinese_sentence(chance: random.Random) -> str:
    verb, subject, place = (chance.choice(words) for words in (_VERBS_ZH, _SUBJECTS_ZH, _PLACES_ZH))
    number = chance.randrange(1000)
    return chance.choice([
        f"要在{place}中{verb}{subject}，请选择第{number}号命令。",
        f"您可以先更改{place}的{subject}，然后再用按键{number}来{verb}它。",
        f"如果您{verb}了这个{subject}，{place}的下方就会显示{number}个条目。",
    ])  # fmt: skip


def _row(question: str, answer: str) -> dict[str, object]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }
