"""The servers that ours is measured against, each set up as its documentation recommends; with their own packages."""
