"""What a row of a published table must say so that it can be computed, and why one cannot be.

A hole or an unknown word is a reason to leave a row out, never to guess.
"""

import math
import re
from collections.abc import Iterator, Mapping

Row = Mapping[str, str]
_ARCHITECTURES = {"gpt", "llama", "moe"}
_DEVICES = (  # beginning of the name in the table, shipped device
    ("A100-80GB", "a100-80"),
    ("A100-40GB", "a100-40"),
    ("H100-80GB", "h100"),
    ("H100-96GB", "h100-96"),
    ("H200", "h200"),
    ("B200", "b200"),
    ("B300", "b300"),
    ("GB200", "gb200"),
    ("GB300", "gb300"),
    ("Ascend-910B1", "ascend-910b1"),
    ("Ascend-910B", "ascend-910b"),
    ("TPU v4", "tpu-v4"),
    ("TPU v5e", "tpu-v5e"),
    ("TPU v5p", "tpu-v5p"),
)
_SIZES = ("layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "seq", "devices", "tp", "pp",
          "microbatch", "global_batch")  # fmt: skip
_WHOLE = (*_SIZES, "devices_per_node", "vpp", "dp", "cp", "ep")
# What words a column may have. A model without a gate, or without sharding, says so too.
_WORDS = {
    "gated": "[01]",
    "precision": ".*(bf16|fp16|fp8|fp4|fp32).*",
    "zero": "[0-3]|dp|(zero[0-3]|fsdp).*",
    "attn_impl": "flash|unfused",
}
_RECOMPUTED = r"|(none|full|.*selective.*)\??"  # where nothing is said memory is not told
_WHOLE_OR_NONE = ("experts", "topk", "moe_ffn")  # 0 is a model without
_MOST = 10**9  # of anything that a column counts


def explain_unknown(row: Row) -> str | None:
    """Return why a row cannot be computed, None if it can."""
    missing = [name for name in (*_SIZES, *_WORDS) if not _text(row, name)]
    wrong = next(_wrong_numbers(row), "") or next(_unknown_words(row), "")
    reasons = (
        (row.get("level") == "run", "only single steps are predicted"),
        (row.get("arch") not in _ARCHITECTURES, f"architecture {show(row, 'arch')}"),
        (bool(wrong), wrong),
        (bool(missing), f"no {', '.join(missing)} in the row"),
        (find_device(row) is None, f"device {show(row, 'device')}"),
    )
    return next((reason for applies, reason in reasons if applies), None)


def _wrong_numbers(row: Row) -> Iterator[str]:
    """Yield what is wrong with each column that must be a whole number."""
    for name, least in (*((name, 1) for name in _WHOLE), *((name, 0) for name in _WHOLE_OR_NONE)):
        if not _text(row, name):
            continue
        value = read_number(row, name)
        if value is None or value != int(value) or not least <= value <= _MOST:
            yield f"{name} is {_text(row, name)[:40]!r}; it must be a whole number from {least}"


def _unknown_words(row: Row) -> Iterator[str]:
    """Yield each column whose word says nothing that is known."""
    for name, known in (*_WORDS.items(), ("recompute", _RECOMPUTED)):
        if _text(row, name) and not re.fullmatch(known, _text(row, name)):
            yield f"{name} {_text(row, name)[:40]!r} is not modelled"


def says_recompute(row: Row) -> bool:
    """Return whether a row says what it recomputes, on which its memory depends severalfold."""
    text = _text(row, "recompute")
    return bool(text) and not text.endswith("?")


def find_device(row: Row) -> str | None:
    """Return the name of the shipped device that a row ran on, None where there is none."""
    shown = row.get("device") or ""
    return next((name for start, name in _DEVICES if shown.startswith(start)), None)


def show(row: Row, name: str) -> str:
    """Return in words that a column's value is not modelled."""
    return f"{row.get(name) or '(none)'} is not modelled"


def _text(row: Row, name: str) -> str:
    return (row.get(name) or "").strip()


def read_number(row: Row, name: str) -> float | None:
    """Return a column's number, None where there is no finite one."""
    try:
        value = float(_text(row, name))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
