"""Photo libraries: listing a source, planning what is needed, running it, what changed, what people said of it."""
