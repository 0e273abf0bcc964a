"""The one door through which a model is asked: log-likelihoods of rows of tokens."""
