"""Measuring, while a worker has nothing to do, how its models run best on this machine."""
