"""A chunk from its claim to its stored results: leases, fetching, decoding, inference, storing."""
