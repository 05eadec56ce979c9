"""What a model of a kind does with a batch: one small class per kind."""
