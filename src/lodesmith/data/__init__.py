"""Documents, WARC files, tokenizers, token shards, chat format, order of samples; no torch."""
