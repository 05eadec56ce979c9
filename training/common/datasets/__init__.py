"""Readers of the data people have, in the layouts they have it in; a kind of data a file."""
