"""The first page: photos and texts in, results as cards."""
