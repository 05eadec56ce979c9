"""Captions: a decoder on the grid of the shared encoder."""
