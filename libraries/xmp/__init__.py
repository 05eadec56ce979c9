"""XMP sidecars as bytes: reading what other programs wrote, and writing labels without touching anything else."""
