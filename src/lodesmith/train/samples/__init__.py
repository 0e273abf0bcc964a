"""Rows to learn from, packed, in the order that one integer fixes."""
