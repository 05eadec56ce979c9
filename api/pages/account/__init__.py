"""Signing in and out, and the page of keys."""
