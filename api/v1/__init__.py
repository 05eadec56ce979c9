"""The routes of version 1."""
