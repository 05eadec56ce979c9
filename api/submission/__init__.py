"""A submission: from the bytes of a request to a job and its chunks."""
