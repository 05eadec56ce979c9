"""HTTP itself: the ASGI bridge, keys, errors, parameters, long polls, metrics. Knows no jobs."""
