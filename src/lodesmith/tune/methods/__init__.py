"""The ways to learn: each makes rows and an objective of samples, or rounds of answers."""
