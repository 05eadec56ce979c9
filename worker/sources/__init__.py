"""Where the bytes of an input come from: one small class per kind of reference."""
