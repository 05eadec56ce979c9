"""What monitors ask: is it up, can it work, what does it count."""
