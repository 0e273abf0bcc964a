"""The held-out text, the questions made of it, and simpler ways to say it in few bits."""
