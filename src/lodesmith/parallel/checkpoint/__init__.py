"""Checkpoints of a run in progress: sharded, in the background, from any layout to any layout."""

from lodesmith.parallel.checkpoint.keeper import Checkpoints
from lodesmith.parallel.checkpoint.loading import Loaded
from lodesmith.parallel.checkpoint.shelf import Retention

__all__ = ["Checkpoints", "Loaded", "Retention"]
