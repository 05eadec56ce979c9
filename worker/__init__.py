"""Claims chunks, fetches, decodes, infers, stores. No network architecture, no Flask."""
