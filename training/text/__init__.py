"""Training of the text tasks: sentiment, language, spam."""
