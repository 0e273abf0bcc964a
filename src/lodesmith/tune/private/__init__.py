"""Learning from private records: differential privacy, and an audit of what a model gives away."""
