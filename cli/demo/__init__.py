"""`tagline demo`: the whole service for a moment, with photos to look at."""
