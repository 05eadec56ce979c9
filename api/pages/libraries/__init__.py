"""The pages of photo libraries: nights, changes, gallery, a photo, settings."""
