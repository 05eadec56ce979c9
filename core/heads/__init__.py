"""What becomes of a network's numbers: captions, beams, tags, text vectors. Training and the worker share it."""
