"""Claims chunks, fetches, decodes, infers, stores, notifies. No network architecture, no Flask."""
