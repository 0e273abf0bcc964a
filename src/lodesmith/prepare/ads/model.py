"""The shipped model of advertising lines: weights of hashed runs, made by `bench/make_ads.py`."""

from functools import cache
from pathlib import Path

import numpy as np

from lodesmith.native.ads import Weights

MODEL_FILE = Path(__file__).with_name("lines.npz")


@cache
def load_weights() -> Weights:
    """Return the weights that the package carries."""
    with np.load(MODEL_FILE) as arrays:
        return Weights(arrays["runs"], arrays["traits"], float(arrays["scale"]))
