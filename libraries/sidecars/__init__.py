"""Sidecars beside their photos, in folders and buckets: read, and written whole or not at all."""
