"""First stage: raw pages from packages, files and archives, written as WARC."""
