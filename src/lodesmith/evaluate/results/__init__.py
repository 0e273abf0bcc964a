"""Scores as files, tables, charts and a page."""
