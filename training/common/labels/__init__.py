"""Labels as training targets: what is known of them, and linear maps from photos to them."""
