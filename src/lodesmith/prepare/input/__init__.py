"""Records as they come in: pages out of archives, files, JSON lines and tables."""
