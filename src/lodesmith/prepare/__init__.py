"""Second stage: raw pages in, clean documents and a funnel of what was dropped out."""
