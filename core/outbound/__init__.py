"""Everything that leaves this machine: which addresses and URLs, the guarded HTTP client, S3, links, signatures."""
