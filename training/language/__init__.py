"""English, French or Spanish."""
