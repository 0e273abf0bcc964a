"""Last stage: an OpenAI-compatible server."""
