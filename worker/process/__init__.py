"""The worker as a process: Celery, what it opens and closes, reloading, metrics."""
