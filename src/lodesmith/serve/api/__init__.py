"""What is asked and what it must look like: OpenAI's fields, faults, tools and grammars."""
