"""Spam or ham: short messages."""
