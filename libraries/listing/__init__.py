"""What a source holds (a folder, a prefix in a bucket, a manifest), page by page, in an order that one can go on in."""
