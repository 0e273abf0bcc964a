"""Fifth stage: a chat model from the base model."""
