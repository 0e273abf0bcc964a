"""The nine steps over a whole corpus: three passes over shards, two merges between them."""
