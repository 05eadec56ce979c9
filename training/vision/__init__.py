"""Photos: the shared encoder, captions and tags."""
