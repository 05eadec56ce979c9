"""The `tagline` command. It starts the API, worker and scheduler as processes and never imports them."""
