"""The way of one chunk: claimed, kept under its lease, run, stored."""
