"""From a network's outputs to results: beam search, captions, tags, text vectors, ranking. Training uses it too."""
