"""Settings that all tests share."""

from hypothesis import settings

# A property that holds, holds on a loaded machine too: examples have no time limit of their own.
# One commit has one result: the examples are the same in every run. To look for new ones:
# `pytest --hypothesis-profile=search`.
settings.register_profile("search", deadline=None)
settings.register_profile("lodesmith", deadline=None, derandomize=True)
settings.load_profile("lodesmith")
