"""Photos in folders of this machine: which may be read at all, and opening them without being led elsewhere."""
