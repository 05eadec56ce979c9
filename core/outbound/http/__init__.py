"""The one way out: a guarded HTTP client for every fetch and every webhook."""
