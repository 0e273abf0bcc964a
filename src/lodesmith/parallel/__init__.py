"""Parallelism applied to a model from outside, and checkpoints."""
