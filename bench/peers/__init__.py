"""What our figures are compared with; their packages are in requirements/bench.in, and no part of the service."""
