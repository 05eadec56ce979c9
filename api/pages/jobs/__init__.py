"""The pages of jobs: the list, one as it runs, what can be done with it."""
