"""Third stage: a tokenizer trained on the documents, and packed token shards."""
