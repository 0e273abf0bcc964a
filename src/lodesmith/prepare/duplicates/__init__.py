"""Sixth and seventh step: what has been said before, exactly or almost."""
