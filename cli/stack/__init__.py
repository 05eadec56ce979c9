"""`tagline up`: the supervisor, and the processes it starts and ends."""
