"""A polite crawler: web sites as WARC files, one host at a time, restartable after any kill."""
