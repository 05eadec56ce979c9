"""What more than one task uses: experiments, the training loop, export, packaging, statistics."""
