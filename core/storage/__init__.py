"""Bytes that we keep, by the SHA-256 of their content."""
