"""One experiment a file: its docstring says command, duration and expected score."""
