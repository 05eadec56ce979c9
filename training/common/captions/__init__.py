"""Captions as ids, the decoder that writes them, its search and its scores; shared by encoder and captioner."""
