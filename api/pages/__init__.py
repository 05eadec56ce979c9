"""Pages for people: what the API does, in a browser. They call the functions that the API calls."""
