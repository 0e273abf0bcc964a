"""What was made from what: artifacts on disk, their receipts, and the way from one to another."""
