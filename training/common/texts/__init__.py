"""Networks over texts, their packages, and the same artefacts offline."""
