"""What a job is before anybody has sent a request: its fields, checked; its models, pinned; made and rung for."""
