"""Ordering jobs, whoever orders them: check the fields, pin the models, create the job, ring the workers."""
