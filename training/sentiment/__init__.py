"""Positive or negative: film reviews."""
