"""What was measured on this machine of how its models run best, and where that is kept."""
