"""Objects in S3 and in what speaks its language: names, reading and writing, and why S3 says no."""
