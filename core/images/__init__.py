"""Photos: from the bytes of a file to pixels, or to an error with a stable code."""
