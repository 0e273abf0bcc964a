"""What was made from what: artifacts on disk, their receipts, and the way from one to another."""

from pathlib import Path

DEFAULT_WORKSPACE = Path("lodesmith-workspace")
