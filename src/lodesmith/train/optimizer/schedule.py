"""The learning rate of each step, as a share of its peak: rise, hold or curve, fall.

Source: cosine after a linear warm-up, Loshchilov and Hutter 2017, arXiv:1608.03983; warm-up,
stable, linear decay, Hu et al. 2024 (MiniCPM), arXiv:2404.06395, section 4, and Hagele et al. 2024,
arXiv:2405.18392 (a linear decay is as good as any).
"""

import math

from lodesmith.train.config import TrainingConfig


def rate_fraction(config: TrainingConfig, step: int) -> float:
    """Return the learning rate of a step (the first is 0) divided by its peak.

    >>> config = TrainingConfig(max_steps=100, warmup_steps=10, decay_fraction=0.5)
    >>> [round(rate_fraction(config, step), 2) for step in (0, 9, 49, 50, 75, 99)]
    [0.1, 1.0, 1.0, 1.0, 0.5, 0.02]
    """
    lowest = config.min_learning_rate / config.learning_rate
    warmth = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.schedule == "cosine":
        decay_steps = max(1, config.max_steps - config.warmup_steps)
        progress = min(1.0, max(0, step - config.warmup_steps) / decay_steps)
        height = 0.5 * (1 + math.cos(math.pi * progress))
    else:
        height = min(1.0, (config.max_steps - step) / (config.decay_fraction * config.max_steps))
    return warmth * (lowest + (1 - lowest) * height)
