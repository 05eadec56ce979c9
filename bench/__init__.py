"""Benchmarks: the whole service against a bare process in the same run."""
