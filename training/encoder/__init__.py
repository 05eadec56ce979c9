"""The shared image encoder: published EfficientNet-Lite2, its last layers tuned for photos."""
