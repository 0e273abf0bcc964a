"""What one rank does: steps, checkpoints, and back after a spike."""
