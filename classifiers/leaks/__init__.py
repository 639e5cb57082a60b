"""What an answer may carry out to somebody else."""
