"""The pages about the service itself: its models, its health, its API."""
