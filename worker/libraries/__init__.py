"""What a worker does for photo libraries beside running photos: listing, labelling anew, telling where words point."""
