"""Commands that talk to a server: submit, status, results, cancel."""
