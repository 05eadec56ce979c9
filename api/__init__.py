"""The HTTP contract, version 1. Flask lives here and nowhere else."""
