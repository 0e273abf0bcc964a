"""A plain single-device decoder with Hugging Face names; it knows nothing of parallelism."""
