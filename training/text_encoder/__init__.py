"""The text encoder that labels go through; packaged, not trained."""
