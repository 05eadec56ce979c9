"""Tags out of any vocabulary: photos and labels in one space."""
