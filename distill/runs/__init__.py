"""One run in its directory: stages, training loop, resuming; what it will take (`planning`); many of them (`sweep`)."""
