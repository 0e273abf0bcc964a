"""From a body to an answer: ids, the engine, and pieces of text on their way out."""
