"""A vLLM behind our address, keys and limits: started, watched, asked and understood."""
