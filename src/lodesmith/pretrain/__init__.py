"""Fourth stage: a base model from token shards."""
