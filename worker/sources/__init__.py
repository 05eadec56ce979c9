"""Where the bytes of an input come from: one small class for each kind of reference."""
