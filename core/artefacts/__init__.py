"""Model artefacts on disk: manifests, labels, vocabularies, and which of them a request means."""
