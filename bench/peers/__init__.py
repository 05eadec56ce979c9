"""What ours is measured against, set up as its documentation recommends; no part of the service."""
