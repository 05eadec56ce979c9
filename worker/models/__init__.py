"""Models: one small class for each kind, which runs batches and renders results."""
