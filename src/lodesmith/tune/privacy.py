"""Settings of a domain that is private: how much of it may show in the model."""

from pydantic import Field

from lodesmith.core.config import Config


class PrivateTraining(Config):
    """Differential privacy (DP-SGD) for a domain that trains an adapter."""

    epsilon: float = Field(gt=0)
    """How far one record may shift the odds of any model: by a factor of e to this power. Noise is
    chosen so that the whole run spends no more."""

    delta: float = Field(default=1e-5, gt=0, lt=1)
    """Chance that the promise fails; well below one in the number of records."""

    max_record_norm: float = Field(default=1.0, gt=0)
    """Each record's gradient is cut to this length before noise is added."""


class AuditConfig(Config):
    """Made-up secrets are planted among the records; the audit asks the model for them."""

    planted: tuple[int, ...] = Field(default=(1, 4, 16), min_length=1)
    """How often secrets are planted, as in three groups that stand 1, 4 and 16 times."""

    num_canaries: int = Field(default=4, ge=1)
    """Secrets of each group."""

    num_references: int = Field(default=128, ge=100)
    """Secrets that were never planted, for each that was: what a model that knows nothing gives."""

    max_mean_exposure_bits: float = Field(default=3.0, gt=0)
    """A model exposes more if it ranks planted secrets above the others; one that knows nothing
    has 1.4 bits."""

    max_true_positive_rate: float = Field(default=0.1, gt=0, lt=1)
    """How many of the planted secrets may be told from others at 1 % false alarms; the lower end of
    the 95 % interval counts."""
