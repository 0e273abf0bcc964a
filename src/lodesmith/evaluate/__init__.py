"""Sixth stage: the model's scores beside honest baselines."""
