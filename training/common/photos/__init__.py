"""Photos in training: other views of them, encoding them offline, made-up ones."""
