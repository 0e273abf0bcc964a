"""Conversations to learn from: of the recipe's chat sources, and made of help pages."""
