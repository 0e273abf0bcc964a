"""Runs a recipe's stages in order and tells what came of it."""
