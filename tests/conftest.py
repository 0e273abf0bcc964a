"""Settings that all tests share."""

from hypothesis import settings

# A property that holds, holds on a loaded machine too: examples have no time limit of their own.
settings.register_profile("lodesmith", deadline=None)
settings.load_profile("lodesmith")
