"""The rows, which are the truth: tables, and plain query functions that take a Session."""
