"""The process that keeps the rows moving and sends webhooks. It needs the database alone."""
