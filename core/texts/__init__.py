"""Texts: normalised, and turned into the numbers a model takes."""
