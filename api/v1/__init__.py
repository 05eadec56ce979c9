"""The routes of version 1, and the shapes of what they take and give."""
