"""Warm models and the lanes into them: batches of many chunks."""
