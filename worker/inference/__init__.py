"""Warm models, and the lanes that batch the items of many chunks for them."""
