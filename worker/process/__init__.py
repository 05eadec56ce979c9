"""The worker as a process: Celery, opening and closing, reloading, the watchdog."""
