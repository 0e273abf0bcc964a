"""Where the passes leave work for each other, and rows sorted on disk."""
