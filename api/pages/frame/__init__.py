"""What all pages have in common: policy, errors, static files, thumbnails, and numbers and codes in words."""
