"""WARC: how raw pages lie on disk, and how archives from elsewhere are read.

`read_warc` and `read_record_at` read, `WarcWriter` writes; the rest is in `warc_*.py`.
"""

from lodesmith.data.warc_reader import OnDamage, read_record_at, read_warc
from lodesmith.data.warc_record import MAX_PAYLOAD_BYTES, Damage, WarcRecord
from lodesmith.data.warc_writer import WarcWriter

__all__ = [
    "MAX_PAYLOAD_BYTES",
    "Damage",
    "OnDamage",
    "WarcRecord",
    "WarcWriter",
    "read_record_at",
    "read_warc",
]
