"""The process that does the regular chores of the database, and sends webhooks."""
