"""The recipe's `pretrain` section."""

from lodesmith.train.config import TrainingConfig

STAGE_VERSION = 1  # raised when the same inputs begin to give other weights


class PretrainConfig(TrainingConfig):
    """How the decoder is trained on the token set."""
