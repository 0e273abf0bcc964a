"""Packages, fetched by the tool that knows them."""
